-- Bodies: from the octets of one content to what oslo.messaging means by them.
--
-- Sources: oslo_messaging/_drivers/common.py (envelope, failures), _drivers/amqp.py (context), _drivers/amqpdriver.py
-- (replies), notify/messaging.py.

local tables = need("tables")
local glances = need("glance")
local json = need("json")
local masking = need("masking")
local masktext = need("masktext")

local M = {}

local NULL = json.NULL
local VERSION, MESSAGE = "oslo.version", "oslo.message"
local CONTEXT = "_context_"
local MASK = masktext.MASK

local function text(value)
  if type(value) == "string" then
    return value
  end
  return nil
end

-- The message in a decoded body, the version of its envelope, and whether there is one; nil and why there is no message.
local function open_envelope(value)
  if not json.is_object(value) then
    return nil, nil, nil, "not a JSON object"
  end
  local version, inner = value.vals[VERSION], value.vals[MESSAGE]
  if version == nil or inner == nil then
    return value, nil, false
  elseif type(inner) ~= "string" then
    return nil, nil, true, MESSAGE .. " is not a string"
  end
  local message, reason = json.decode(inner)
  if message == nil then
    return nil, nil, true, MESSAGE .. ": " .. reason
  elseif not json.is_object(message) then
    return nil, nil, true, MESSAGE .. " is not a JSON object"
  end
  return message, text(version), true
end

local function is_false(value)
  return value == NULL or value == false or value == "" or value == 0
    or (type(value) == "table" and (value.n == 0 or (value.keys and #value.keys == 0) or (value.num and tonumber(value.num) == 0)))
end

-- A reply's failure, the third level of JSON: {class, module, message, traceback}, each nil where it is none, not masked;
-- nil where the value is false: the client takes that for success. What is no JSON object is kept as the message.
local function failure_of(value)
  if value == nil or is_false(value) then
    return nil
  end
  local failure = value
  if type(value) == "string" then
    failure = json.decode(value)
  end
  if not json.is_object(failure) then
    return { message = type(value) == "string" and value or json.encode(value) }
  end
  local vals = failure.vals
  local lines = vals.tb
  if json.is_array(lines) then
    local parts = {}
    for index = 1, lines.n do
      parts[#parts + 1] = text(lines[index])
    end
    lines = table.concat(parts)
  end
  return {
    class = text(vals.class), module = text(vals.module), message = text(vals.message),
    traceback = lines ~= "" and text(lines) or nil,
  }
end

-- Seconds of an expiration in milliseconds; nil where it is no number of at most 64 bits.
local function seconds(expiration)
  if not expiration or #expiration > 19 or not string.find(expiration, "^%d+$") then
    return nil
  end
  return tonumber(expiration) / 1000
end

-- Decides what kind of message it is; nil where it is none of oslo.messaging's.
local function summarise(message, version, has_envelope, exchange, expiration)
  local vals = message.vals
  local method, unique_id, msg_id = text(vals.method), text(vals._unique_id), text(vals._msg_id)
  local event_type, publisher_id = text(vals.event_type), text(vals.publisher_id)
  local is_rpc = has_envelope or unique_id ~= nil
  local failure = failure_of(vals.failure)
  local ending = vals.ending
  local kind, timeout_s
  if method and is_rpc then
    if msg_id and msg_id ~= "" then
      kind, timeout_s = "call", seconds(expiration)
    else
      kind = string.sub(exchange, -7) == "_fanout" and "fanout" or "cast"
    end
  elseif event_type and publisher_id then
    kind = "notification"
  elseif is_rpc and (vals.result ~= nil or vals.failure ~= nil or ending ~= nil) then
    local has_result = vals.result ~= nil and vals.result ~= NULL
    kind = (ending == false and not has_result and not failure) and "heartbeat" or "reply"
  else
    return nil
  end
  if type(ending) ~= "boolean" then
    ending = nil
  end
  return {
    kind = kind, envelope = version, method = method, namespace = text(vals.namespace), version = text(vals.version),
    msg_id = msg_id, reply_q = text(vals._reply_q), unique_id = unique_id, request_id = text(vals[CONTEXT .. "request_id"]),
    timeout_s = timeout_s, failure = failure, ending = ending, event_type = event_type, publisher_id = publisher_id,
    priority = text(vals.priority), message_id = text(vals.message_id),
    message = message,
  }
end

local recent, recent_count = {}, 0

-- Forgets the bodies that were decoded last.
function M.forget()
  recent, recent_count = {}, 0
end

local function decode(body, exchange, expiration)
  local written, inner = json.decode_enveloped(body)
  if written then
    local found = summarise(inner, written, true, exchange, expiration)
    if found then
      return found
    end
  end
  local value, reason, is_deep = json.decode(body)
  if value == nil then
    local claimed = is_deep or string.find(body, '"' .. MESSAGE .. '"', 1, true)
    return { text = body, reason = claimed and reason or nil }
  end
  local message, version, has_envelope, why = open_envelope(value)
  if message then
    local found = summarise(message, version, has_envelope, exchange, expiration)
    if found then
      return found
    end
    why = MESSAGE .. " is no request, reply or notification"
  end
  return { json = value, reason = has_envelope and why or nil }
end

-- What `summarise` makes of a body without its args, context, result and payload; nil where that is not enough.
local function glance(body, exchange, expiration)
  local vals, version = glances.members(body)
  if not vals then
    return nil
  end
  local found = summarise({ vals = vals }, version, version ~= nil, exchange, expiration)
  if found then
    found.is_partial = true
  end
  return found
end

-- Decodes a body. What has a `kind` is a message of oslo.messaging: its names and ids as on the wire, `message` the whole
-- decoded message; else it has the `json` or the `text` that the body is, and the `reason` why it is not what it claims to
-- be. Where not the `whole` is wanted, a message may be without args, context, result and payload: then it `is_partial`.
-- Nothing is masked yet. Take it as read-only: each message is seen at least twice, so the last are remembered.
function M.decode(body, exchange, expiration, whole)
  local key = #body <= tables.limits.PLUGIN_MEMO_BYTES and body
  local known = key and recent[key]
  if known and known.exchange == exchange and known.expiration == expiration and not (whole and known.is_partial) then
    return known
  end
  local found = not whole and glance(body, exchange, expiration) or decode(body, exchange, expiration)
  if key then
    if recent_count >= tables.limits.PLUGIN_MEMO_ENTRIES then
      M.forget()
      known = nil
    end
    found.exchange, found.expiration = exchange, expiration
    recent[key], recent_count = found, recent_count + (known and 0 or 1)
  end
  return found
end

-- A failure with the secrets in its texts masked.
function M.masked_failure(failure)
  local masked = {}
  for name, value in pairs(failure) do
    masked[name] = masking.mask(value)
  end
  return masked
end

-- The values that the record of a message shows, by the names of its fields; `keep` says that secrets are shown. Of args,
-- context, result and payload those are left out which `is_wanted(name)` denies.
function M.record(decoded, keep, is_wanted)
  local vals = decoded.message.vals
  local mask = keep and function(value) return value end or masking.mask
  local name = keep and mask or function(value) return value and masktext.mask_text(value) end
  local context = { keys = {}, vals = {} }
  for _, key in ipairs(is_wanted("context") and decoded.message.keys or {}) do
    if string.sub(key, 1, #CONTEXT) == CONTEXT then
      local short = string.sub(key, #CONTEXT + 1)
      context.keys[#context.keys + 1] = short
      context.vals[short] = vals[key]
    end
  end
  local args = is_wanted("args") and json.is_object(vals.args) and mask(vals.args) or nil
  local failure = decoded.failure
  return {
    kind = decoded.kind, envelope = decoded.envelope, method = name(decoded.method), namespace = name(decoded.namespace),
    version = decoded.version, args = args ~= MASK and args or nil,
    context = #context.keys > 0 and mask(context) or nil, msg_id = decoded.msg_id, reply_q = decoded.reply_q,
    unique_id = decoded.unique_id, request_id = decoded.request_id, timeout_s = decoded.timeout_s,
    result = is_wanted("result") and vals.result ~= nil and mask(vals.result) or nil,
    failure = failure and (keep and failure or M.masked_failure(failure)), ending = decoded.ending,
    event_type = name(decoded.event_type), publisher_id = name(decoded.publisher_id), priority = decoded.priority,
    payload = is_wanted("payload") and vals.payload ~= nil and mask(vals.payload) or nil, message_id = decoded.message_id,
  }
end

return M
