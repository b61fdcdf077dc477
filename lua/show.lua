-- The tree of a message.

local tables = need("tables")
local calls = need("call")
local fields = need("fields")
local json = need("json")
local masking = need("masking")
local masktext = need("masktext")
local oslo = need("oslo")
local remarks = need("remarks")
local summary = need("summary")

local M = {}

local NULL = json.NULL
local find, format, gsub, sub = string.find, string.format, string.gsub, string.sub
local MEMBERS = tables.limits.PLUGIN_MEMBERS

-- Text as Wireshark's strings can hold it: they end at a NUL.
local function printable(text)
  if find(text, "%z") then
    text = gsub(text, "%z", "␀")
  end
  return text
end

local function uint64(number)
  return UInt64.new(number % 4294967296, math.floor(number / 4294967296))
end

local CONVERT = {
  string = printable,
  address = printable,
  json = printable,
  integer = uint64,
}

-- The names of the fields that a filter or an output asks for, where no tree is drawn; nil where one is.
local wanted

local function is_wanted(name)
  return not wanted or wanted[name]
end

-- Adds a field below `parent`, unless the value is nil or nothing asks for it; gives its item.
local function put(parent, name, value, range)
  if value == nil or (wanted and not wanted[name]) then
    return nil
  end
  local row = fields.by_name[name]
  if row.is_packet then
    return parent:add(row.field, range, value)
  end
  local convert = CONVERT[row.kind]
  if convert then
    value = convert(value)
  end
  return parent:add(row.field, range, value)
end

local function scalar(value)
  if type(value) == "string" then
    return value
  elseif value == NULL then
    return "null"
  elseif type(value) == "table" then
    return value.num or (value.n and "[]" or "{}")
  elseif type(value) == "number" then
    return format("%d", value)
  end
  return tostring(value)
end

local function is_container(value)
  return type(value) == "table" and ((value.n or 0) > 0 or (value.keys and #value.keys > 0)) and true or false
end

-- Adds the members of an object or array, to a bounded number. `view` has the octets that they are in, and their places.
local function put_members(parent, value, path, view)
  local spans, field = view.spans[value] or {}, fields.by_name["oslo.member"].field
  local function one(key, name, member)
    if view.left <= 0 then
      return false
    end
    view.left = view.left - 1
    if view.left == 0 then
      parent:add(view.whole, "… there is more than is shown")
      return false
    end
    local span = spans[key]
    local range = span and view.range(span[1], span[2]) or view.whole
    local here = path .. "." .. name
    if is_container(member) then
      put_members(parent:add(range, printable(name)), member, here, view)
    else
      local text = printable(scalar(member))
      parent:add(field, range, printable(here) .. "=" .. text, printable(name) .. ": " .. text)
    end
    return true
  end
  if value.n then
    for index = 1, value.n do
      if not one(index, format("%d", index - 1), value[index]) then
        return
      end
    end
  else
    for _, key in ipairs(value.keys) do
      if not one(key, key, value.vals[key]) then
        return
      end
    end
  end
end

local function put_failure(parent, prefix, failure, range)
  if not failure then
    return
  end
  local item = parent:add(range, "Failure: " .. printable((failure.class or "exception") .. ": " .. (failure.message or "")))
  for _, name in ipairs({ "class", "module", "message", "traceback" }) do
    local field = put(item, prefix .. "." .. name, failure[name], range)
    if field and name == "traceback" then
      field:set_text("Traceback")
      for line in string.gmatch(failure.traceback, "[^\n]+") do
        field:add(range, printable(line))
      end
    end
  end
end

local OSLO = {
  "kind", "envelope", "method", "namespace", "version", "args", "context", "msg_id", "reply_q", "unique_id", "request_id",
  "timeout_s", "result", "ending", "event_type", "publisher_id", "priority", "payload", "message_id",
}
local IN_JSON = { args = "args", result = "result", payload = "payload", context = "context" }

-- What is drawn of a decoded message: the `record` of its values, the JSON `text` of what is JSON among them, and the `spans`
-- of each part of that, of its members at the top in `top`. The same is drawn for each leg of a message.
local function picture_of(decoded, keeps_secrets)
  local known = decoded.picture
  if known and known.keeps_secrets == keeps_secrets then
    return known
  end
  local record = oslo.record(decoded, keeps_secrets, function() return true end)
  local shown, spans = { keys = {}, vals = {} }, {}
  for _, name in ipairs(OSLO) do
    if IN_JSON[name] and type(record[name]) == "table" and record[name] ~= NULL then
      shown.keys[#shown.keys + 1] = name
      shown.vals[name] = record[name]
    end
  end
  local text = #shown.keys > 0 and json.encode(shown, spans) or nil
  decoded.picture = { keeps_secrets = keeps_secrets, record = record, text = text, spans = spans, top = spans[shown] }
  return decoded.picture
end

-- What the members of a message are shown from, `range` giving the octets of each part.
local function view_of(picture, context)
  local view = { left = MEMBERS, spans = {}, whole = context.range }
  if not (picture and picture.text) then
    view.range = function() return context.range end
    return view
  end
  local source = context.keeps_secrets and "oslo.message, decoded" or "oslo.message, decoded, secrets masked"
  local tvb = ByteArray.new(picture.text, true):tvb(source)
  view.whole, view.spans, view.text, view.top = tvb:range(), picture.spans, picture.text, picture.top
  view.range = function(begin, stop)
    return tvb:range(begin, stop - begin)
  end
  return view
end

local function put_oslo(tree, message, context)
  local has_members = is_wanted("oslo.member")
  local picture = context.is_visible and picture_of(message.decoded, context.keeps_secrets)
  local record = picture and picture.record or oslo.record(message.decoded, context.keeps_secrets, function(name)
    return has_members or is_wanted("oslo." .. name)
  end)
  local view = view_of(picture, context)
  for _, name in ipairs(OSLO) do
    local value = record[name]
    if IN_JSON[name] and value ~= nil then
      if value ~= NULL then
        local span = view.top and view.top[name]
        -- The span begins with the name in quotes and a colon.
        local text = span and sub(view.text, span[1] + #name + 4, span[2]) or json.encode(value)
        local range = span and view.range(span[1], span[2]) or context.range
        local item = put(tree, "oslo." .. name, text, range)
        if type(value) == "table" and not value.num then
          if item then
            item:set_text(name .. (value.n and format(" [%d]", value.n) or format(" {%d}", #value.keys)))
          end
          if has_members then
            put_members(item or tree, value, name, view)
          end
        end
      end
    else
      put(tree, "oslo." .. name, value, context.range)
    end
  end
  put_failure(tree, "oslo.failure", record.failure, context.range)
end

local function put_body(tree, message, context)
  local decoded = message.decoded
  local range = context.range
  if decoded.json ~= nil then
    local shown = context.keeps_secrets and decoded.json or masking.mask(decoded.json)
    put(tree, "body.json", json.encode(shown), range)
  elseif decoded.text then
    local text = (context.keeps_secrets or decoded.is_hidden) and decoded.text or masktext.mask_text(decoded.text)
    if need("utf8text").is_utf8(text) then
      put(tree, "body.text", text, range)
    else
      tree:add(range, "Octets that are no text")
    end
  end
  put(tree, "body.reason", decoded.reason, range)
end

local PROPERTIES = {}
for index, property in ipairs(tables.properties) do
  PROPERTIES[index] = { name = property.name, kind = property.kind, field = "amqp.properties." .. property.name }
end

-- The fields of the registry whose names match, with the part of the name that is captured.
local function rows_of(pattern)
  local rows = {}
  for _, row in ipairs(tables.fields) do
    local name = string.match(row.name, pattern)
    if name then
      rows[#rows + 1] = { name = name, field = row.name }
    end
  end
  return rows
end

local AMQP, RPC = rows_of("^amqp%.([%w_]+)$"), rows_of("^rpc%.(.*)$")

local function put_amqp(tree, message, context)
  local keep, range, method, info = context.keeps_secrets, context.range, message.method, message.info
  local mask = keep and function(value) return value end or masking.mask
  local values = {
    leg = message.leg, exchange = method.exchange, routing_key = method.routing_key, queue = message.queue,
    consumer_tag = method.consumer_tag, delivery_tag = method.delivery_tag, redelivered = method.redelivered,
    mandatory = method.mandatory, reply_code = method.reply_code, reply_text = method.reply_text and mask(method.reply_text),
    vhost = info.vhost, user = info.user, connection_name = info.name, node = info.node, body_size = message.body_size,
  }
  local item = tree:add(range, "AMQP " .. method.name)
  for _, row in ipairs(AMQP) do
    put(item, row.field, values[row.name], range)
  end
  for _, property in ipairs(PROPERTIES) do
    local value = message.properties[property.name]
    if not is_wanted(property.field) then
      value = nil
    elseif property.kind == "timestamp" and value then
      value = tonumber(value)
    elseif property.kind == "table" and value then
      value = json.encode(mask(value))
    elseif type(value) == "string" then
      value = mask(value)
    end
    put(item, property.field, value, range)
  end
end

local TIMES = {
  publish_time = "publish", deliver_time = "deliver", reply_publish_time = "reply_publish", reply_deliver_time = "reply_deliver",
}

-- The verdict on a message's call, as far as it is known: its status and its cause; nil where there is no call.
local function verdict_of(message, context)
  local call = message.call
  if call and context.is_revisited then
    return context.session.calls:verdict(call)
  end
  return call and call.status, call and call.cause
end

local function put_call(tree, message, context, status, cause)
  local call, range, session = message.call, context.range, context.session
  local item = tree:add(range, "RPC " .. call.kind)
  local deliver = call.delivers[1]
  local legs = { publish = call.publish, deliver = deliver, reply_publish = call.reply_publish, reply_deliver = call.reply_deliver }
  local client_ip, client_name = calls.client(call)
  local mask = context.keeps_secrets and function(text) return text end or function(text) return text and masktext.mask_text(text) end
  local values = {
    kind = call.kind, method = mask(call.kind == "notification" and call.event_type or call.method),
    namespace = mask(call.namespace), version = call.version, exchange = call.exchange, topic = call.topic,
    server = call.server, msg_id = call.msg_id or call.request_msg_id, unique_id = call.unique_id,
    request_id = call.request_id, reply_q = call.reply_q, status = status, cause = cause,
    confirm_time = call.confirm_ns and session:epoch(call.confirm_ns), ack_time = call.ack_ns and session:epoch(call.ack_ns),
    queue_wait_s = calls.between(call.publish, deliver), service_s = calls.between(deliver, call.reply_publish),
    return_s = calls.between(call.reply_publish, call.reply_deliver), latency_s = calls.between(call.publish, call.reply_deliver),
    timeout_s = call.timeout_s, heartbeats = math.max(call.heartbeats_published, call.heartbeats_delivered),
    redelivered = call.redelivered, duplicates = call.duplicates, request_bytes = call.request_bytes,
    reply_bytes = call.reply_bytes, ["client.ip"] = client_ip, ["client.name"] = client_name,
  }
  for name, leg in pairs(TIMES) do
    values[name] = legs[leg] and session:epoch(legs[leg].time_ns)
  end
  for name, leg in pairs(legs) do
    values["frames." .. name] = leg.number
  end
  for _, row in ipairs(RPC) do
    put(item, row.field, values[row.name], range)
  end
  for _, server in ipairs(calls.servers(call)) do
    put(item, "rpc.servers.ip", server.ip, range)
    put(item, "rpc.servers.name", server.name, range)
    put(item, "rpc.servers.queue", server.queue, range)
  end
  local failure = call.failure
  put_failure(item, "rpc.failure", failure and (context.keeps_secrets and failure or oslo.masked_failure(failure)), range)
  local request, response = call.publish or deliver, call.reply_deliver or call.reply_publish
  local links = {
    request and request.number ~= context.number and put(item, "rpc.request_in", request.number, range),
    response and response.number ~= context.number and put(item, "rpc.response_in", response.number, range),
  }
  for _, link in pairs(links) do
    if link then
      link:set_generated()
    end
  end
end

-- Tells what the expert says of a message, and nothing else; the tree is left as it is where that is nothing, unless the
-- protocol itself `is_asked` for.
function M.brief(tree, message, context)
  local found = remarks.of(message, verdict_of(message, context))
  if found or context.is_asked then
    remarks.put(tree:add(context.proto, context.tvb:range(0, 0)), found)
  end
end

-- Whether any of the fields with these names, as keys, needs a message's whole body.
function M.needs_whole(names)
  if names["oslo.member"] then
    return true
  end
  for name in pairs(IN_JSON) do
    if names["oslo." .. name] then
      return true
    end
  end
  return false
end

-- Adds the tree of a message. `context` has the `proto`, the `session`, the packet's `number`, the `range` of its octets, and
-- says whether the tree `is_visible`, the packet `is_revisited`, and secrets are kept; `wanted` names as keys the fields that
-- are asked for where it is not visible.
function M.message(tree, message, context)
  wanted = context.wanted
  local head = context.proto.description .. ": " .. summary.of(message)
  local item = tree:add(context.proto, context.range, printable(head))
  if not message.decoded then
    item:add(context.range, "The body is no longer kept")
  elseif message.decoded.kind then
    put_oslo(item, message, context)
  else
    put_body(item, message, context)
  end
  put_amqp(item, message, context)
  local status, cause = verdict_of(message, context)
  if message.call then
    put_call(item, message, context, status, cause)
  end
  remarks.put(item, remarks.of(message, status, cause))
end

return M
