-- What the expert information says of a message.

local fields = need("fields")

local M = {}

local unpack = table.unpack

-- What the expert says of a message: a list of {expert} or {expert, text}, or nil for nothing, as of nearly all.
function M.of(message, status, cause)
  local hot, experts, remarks = message.hot, fields.experts, nil
  local function add(...)
    remarks = remarks or {}
    remarks[#remarks + 1] = { ... }
  end
  if hot.reason then
    add(experts.undecodable, "The body cannot be decoded: " .. hot.reason)
  end
  if hot.failure or status == "failed" then
    add(experts.failed)
  end
  if cause == "late_reply" then
    add(experts.late)
  elseif cause == "no_reply" then
    add(experts.unanswered)
  end
  if message.leg == "return" or cause == "reply_unroutable" then
    local is_reply = hot.kind == "reply" or cause == "reply_unroutable"
    add(is_reply and experts.unroutable or experts.returned)
  end
  if message.method.redelivered then
    add(experts.redelivered)
  end
  if message.is_repeated then
    add(experts.repeated)
  end
  return remarks
end

-- Puts the remarks, if any, to an item.
function M.put(item, remarks)
  for _, remark in ipairs(remarks or {}) do
    item:add_proto_expert_info(unpack(remark))
  end
end

return M
