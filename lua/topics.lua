-- Which topic and which server a request names.
--
-- oslo.messaging routes to `topic` or `topic.server`, and both parts may hold dots. Where a server's queues were declared,
-- `topic` beside `topic.server`, they tell the parts; else the server is unknown.

local M = {}

local match, sub = string.match, string.sub

local function by_queues(queues, routing_key)
  local topic = match(routing_key, "^(.+)%.")
  while topic do
    if queues:get(topic) then
      return topic, sub(routing_key, #topic + 2)
    end
    topic = match(topic, "^(.+)%.")
  end
  return routing_key, nil
end

-- The topic and the server, or nil where the request names none or nobody can tell; `queues` are those declared.
function M.split(queues, hot, exchange, routing_key)
  if hot.kind == "fanout" then
    return sub(exchange, 1, -8), nil
  elseif hot.kind == "notification" then
    local suffix = "." .. string.lower(hot.priority or "")
    if sub(routing_key, -#suffix) == suffix then
      return sub(routing_key, 1, -#suffix - 1), nil
    end
    return routing_key, nil
  elseif queues:get(routing_key) then
    return by_queues(queues, routing_key)
  end
  return routing_key, nil
end

return M
