-- The fields that Wireshark knows of this plugin, made of the field registry, and its expert information.

local tables = need("tables")

local M = { by_name = {}, all = {}, experts = {} }

-- Fields whose numbers are packets: Wireshark draws arrows to them, and a double click goes there.
local LINKS = { ["rpc.request_in"] = true, ["rpc.response_in"] = true }
-- Wireshark has fields of these names: its AMQP dissector one that means the same, its dissector of Sun RPC another one.
local STOCK = { ["amqp.channel"] = true }
local RENAMED = { ["rpc.version"] = "rpc.api_version" }
-- And the other way round.
M.registered = { ["rpc.api_version"] = "rpc.version" }
local FURTHER = {
  { name = "rpc.request_in", kind = "integer", meaning = "Packet of the request" },
  { name = "rpc.response_in", kind = "integer", meaning = "Packet of the last reply" },
  { name = "oslo.member", kind = "string", meaning = "A value within args, context, result or payload, as path=value" },
}

local function label(name)
  local last = string.match(name, "[^.]+$")
  return (string.gsub(string.upper(string.sub(last, 1, 1)) .. string.sub(last, 2), "_", " "))
end

local function make(row)
  local name, text, meaning = RENAMED[row.name] or row.name, label(row.name), row.meaning
  local kind = string.gsub(row.kind, "%[%]$", "")
  if row.unit then
    meaning = meaning .. " (" .. row.unit .. ")"
  end
  if LINKS[name] then
    local kinds = frametype and { ["rpc.request_in"] = frametype.REQUEST, ["rpc.response_in"] = frametype.RESPONSE }
    return ProtoField.framenum(name, text, base.NONE, kinds and kinds[name], nil, meaning)
  elseif string.find(name, "^rpc%.frames%.") then
    return ProtoField.framenum(name, text, base.NONE, nil, nil, meaning)
  elseif kind == "integer" then
    return ProtoField.uint64(name, text, base.DEC, nil, nil, meaning)
  elseif kind == "number" then
    return ProtoField.double(name, text, meaning)
  elseif kind == "boolean" then
    return ProtoField.bool(name, text, base.NONE, nil, nil, meaning)
  end
  return ProtoField.string(name, text, base.NONE, meaning)
end

local SEVERITIES = {
  failed = { "The call failed", "WARN" },
  late = { "The reply came after the caller had given up", "WARN" },
  unroutable = { "The reply could not be routed: its queue is gone", "WARN" },
  returned = { "The request could not be routed", "WARN" },
  redelivered = { "Delivered again", "NOTE" },
  undecodable = { "The body cannot be decoded", "WARN" },
  repeated = { "The same message was sent before", "NOTE" },
  unanswered = { "No reply within the timeout", "WARN" },
  malformed = { "Not a whole AMQP message", "NOTE" },
}

-- Makes all fields and expert information for a protocol.
function M.register(proto)
  for _, rows in ipairs({ tables.fields, FURTHER }) do
    for _, row in ipairs(rows) do
      if not STOCK[row.name] then
        local field = make(row)
        local is_packet = LINKS[row.name] or string.find(row.name, "^rpc%.frames%.") ~= nil
        M.by_name[row.name] = { field = field, kind = string.gsub(row.kind, "%[%]$", ""), is_packet = is_packet }
        M.all[#M.all + 1] = field
      end
    end
  end
  proto.fields = M.all
  local experts = {}
  for name, row in pairs(SEVERITIES) do
    M.experts[name] = ProtoExpert.new("oslo.expert." .. name, row[1], expert.group.RESPONSE_CODE, expert.severity[row[2]])
    experts[#experts + 1] = M.experts[name]
  end
  proto.experts = experts
end

return M
