-- What the capture can show: who is accused of nothing because nobody could have seen it.

local tables = need("tables")
local ordered = need("ordered")

local M = {}
M.__index = M

local LIMITS = tables.limits

function M.new()
  return setmetatable({
    -- Legs of requests were not seen although others were, and nothing is missing: there are connections that the
    -- capture does not show.
    is_partial = false, has_delivered = false, hearing = {}, speaking = {}, known = 0,
    reply_queues = ordered.new(LIMITS.REPLY_QUEUES), client_ips = 0, last_ip = nil, is_at_broker = false,
    since = {}, upto = {}, whose = {}, first = 1, last = 0,
  }, M)
end

-- A process at the client's end of connections, as a text: its address, and program:pid where that is known.
local function process_of(info)
  local process = info.process_key
  if not process then
    process = info.client.ip .. "|" .. (info.process or "")
    info.process_key = process
  end
  return process
end
M.process_of = process_of

-- Learns that the capture shows a direction of a process.
function M:saw(info, from_client)
  local known = from_client and self.speaking or self.hearing
  local process = process_of(info)
  if known[process] then
    return
  end
  if self.known < 2 * LIMITS.CONNECTIONS then
    known[process], self.known = true, self.known + 1
  end
  local ip = info.client.ip
  if self.last_ip == nil then
    self.last_ip = ip
  end
  self.is_at_broker = self.is_at_broker or ip ~= self.last_ip or ip == info.broker.ip
end

-- Whether the capture shows what the broker sends to a process.
function M:hears(process)
  return self.hearing[process] == true
end

-- Whether the capture shows what a process sends.
function M:speaks(process)
  return self.speaking[process] == true
end

-- Learns who takes replies from a queue.
function M:consumes(queue, process)
  self.reply_queues:put(queue, process)
end

-- Whether a reply delivered from this queue would be in the capture, as far as that is sure.
function M:hears_queue(queue)
  local process = queue and self.reply_queues:get(queue)
  return process ~= nil and self.hearing[process] == true
end

-- Whether the delivery of a request would be in the capture, wherever it goes.
function M:shows_deliveries()
  return self.has_delivered and self.is_at_broker and not self.is_partial
end

-- Whether all connections of a process would be in the capture, of which one is.
function M:shows_processes()
  return not (self.is_at_broker and self.is_partial)
end

local function add_hole(self, since, upto, process)
  if self.last >= self.first then
    upto = math.max(upto, self.upto[self.last])
  end
  self.last = self.last + 1
  local last = self.last
  self.since[last], self.upto[last], self.whose[last] = since, upto, process
  if last - self.first + 1 > LIMITS.HOLES then
    -- The two oldest count as one of any process.
    local first = self.first
    self.since[first + 1], self.whose[first + 1] = math.min(self.since[first], self.since[first + 1]), false
    self.since[first], self.upto[first], self.whose[first] = nil, nil, nil
    self.first = first + 1
  end
end

-- Takes note of missing or broken bytes, and of consumers of replies.
function M:learn(event)
  if event.name == "malformed" then
    add_hole(self, event.time_ns - LIMITS.HOLE_NS, event.time_ns, event.info.client.ip .. "|")
  elseif event.name == "gap" then
    add_hole(self, event.since_ns or event.time_ns - LIMITS.HOLE_NS, event.time_ns, process_of(event.info))
  elseif event.name == "basic.consume" and string.sub(event.method.queue, 1, 6) == "reply_" then
    self:consumes(event.method.queue, process_of(event.info))
  end
end

local function may_be(one, other)
  if one == other then
    return true
  end
  local ip, name = string.match(one, "^(.-)|(.*)$")
  local other_ip, other_name = string.match(other, "^(.-)|(.*)$")
  return ip == other_ip and (name == "" or other_name == "")
end

-- Whether packets of one of these processes, or with nil of any, are missing from that time.
function M:may_hide(since, upto, processes)
  local low, high = self.first, self.last + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if self.upto[middle] < since then
      low = middle + 1
    else
      high = middle
    end
  end
  for hole = low, self.last do
    if self.since[hole] <= upto then
      local whose = self.whose[hole]
      if not whose or not processes then
        return true
      end
      for _, process in ipairs(processes) do
        if may_be(whose, process) then
          return true
        end
      end
    end
  end
  return false
end

return M
