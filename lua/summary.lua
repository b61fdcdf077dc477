-- One line that says what a message is, for the Info column and the head of its tree.

local calls = need("call")

local M = {}

local function milliseconds(begin, stop)
  local seconds = calls.between(begin, stop)
  return seconds and string.format(" %.1f ms", seconds * 1000) or ""
end

local function place(message)
  if message.queue then
    return message.queue
  elseif message.hot.kind == "fanout" then
    return message.method.exchange
  end
  return message.method.routing_key
end

local function of_reply(message)
  local hot, call = message.hot, message.call
  local what = "reply ok"
  if hot.kind == "heartbeat" then
    what = "heartbeat"
  elseif hot.failure then
    what = "reply failed " .. (hot.failure.class or "")
  elseif hot.ending == nil then
    what = "reply"
  end
  local begin = call and (call.publish or call.delivers[1])
  local own = message.time_ns
  if begin and hot.kind == "reply" then
    what = what .. milliseconds(begin, { time_ns = own })
  end
  return what
end

-- Says what a message is; `message.hot` is the essence of its body.
function M.of(message)
  local hot = message.hot
  local text
  if not hot.kind then
    text = (hot.reason and "undecodable body" or "message") .. " → " .. (message.queue or message.method.routing_key)
  elseif hot.kind == "reply" or hot.kind == "heartbeat" then
    text = of_reply(message)
  else
    text = hot.kind .. " " .. (hot.name or "") .. " → " .. place(message)
  end
  if message.leg ~= "publish" then
    text = text .. " [" .. message.leg .. "]"
  end
  return (string.gsub(text, "[%z\1-\31]", " "))
end

return M
