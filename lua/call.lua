-- One request with what was seen of it so far.

local tables = need("tables")

local M = {}

-- The AMQP connection of a leg, which is a message: it may cross several TCP connections, so its name tells, or the stream of
-- one without.
function M.line(leg)
  return leg.info.name or leg.info.stream
end

-- Whether two legs are one, seen at two points: the same AMQP connection over two TCP connections.
function M.is_seen_twice(leg, other)
  return leg.info.stream ~= other.info.stream and M.line(leg) == M.line(other)
end

function M.new(kind, key, begin_ns)
  return {
    kind = kind, key = key, begin_ns = begin_ns, has_request = false, delivers = {}, by_line = {}, acks_missing = 0,
    heartbeats_published = 0, heartbeats_delivered = 0, duplicates = 0, redelivered = false, due_ns = 0,
    -- What is learned later; to name it here spares the table to grow.
    method = nil, request_bytes = nil, namespace = nil, version = nil, event_type = nil, unique_id = nil,
    request_id = nil, reply_q = nil, request_msg_id = nil, timeout_s = nil, exchange = nil, topic = nil, server = nil,
    msg_id = nil, publish = nil, reply_publish = nil, reply_deliver = nil, status = nil,
  }
end

-- Shortens a name that is kept in tables.
function M.shorten(name)
  local most = tables.limits.NAME_CHARS
  if not name or #name <= most then
    return name
  end
  local sum, step = #name, math.max(math.floor(#name / 4096), 1)
  for at = 1, #name, step do
    sum = (sum * 31 + string.byte(name, at)) % 4294967296
  end
  return string.sub(name, 1, most - 20) .. string.format("…%.0f", sum)
end

-- Seconds between two legs; nil where one was not seen, or the clock stepped back between them.
function M.between(begin, stop)
  if not begin or not stop or stop.time_ns < begin.time_ns then
    return nil
  end
  return math.floor((stop.time_ns - begin.time_ns) / 1000) / 1e6
end

-- Who asked: the address and the process, or nil.
function M.client(call)
  local leg = call.publish or call.reply_deliver
  return leg and leg.info.client.ip, leg and leg.info.process
end

-- Who took it: a list of {ip, name, queue}, each once.
function M.servers(call)
  local found, seen = {}, {}
  for _, leg in ipairs(call.delivers) do
    local key = leg.info.client.ip .. "|" .. (leg.info.process or "") .. "|" .. (leg.queue or "")
    if not seen[key] then
      seen[key] = true
      found[#found + 1] = { ip = leg.info.client.ip, name = leg.info.process, queue = leg.queue }
    end
  end
  if #found == 0 and call.reply_publish then
    local info = call.reply_publish.info
    found[1] = { ip = info.client.ip, name = info.process }
  end
  return found
end

return M
