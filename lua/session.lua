-- What is known of the capture: its connections, messages, calls. Built on the first visit of each packet, in their order;
-- later visits only look up what the packet completed.

local tables = need("tables")
local calls = need("call")
local callbook = need("calls")
local connections = need("connection")
local contents = need("contents")
local heap = need("heap")
local masktext = need("masktext")
local oslo = need("oslo")
local statistics = need("statistics")

local M = {}
M.__index = M

local LIMITS = tables.limits

function M.new()
  local self = setmetatable({
    streams = {}, stream_count = 0, stream_serial = 0, last_place = {}, place_count = 0, essences = {}, essence_count = 0,
    packets = {}, message_count = 0, latest = 0,
    latest_streams = {}, waiting = {}, waiting_set = {}, turn = 0,
    kept_bytes = 0, budget = { held = 0 },
    statistics = statistics.new(), queue = heap.new(), is_holding = false,
  }, M)
  self.calls = callbook.new(function(call)
    self.statistics:add(call, calls.between(call.publish, call.reply_deliver))
  end)
  oslo.forget()
  return self
end

-- Nanoseconds since the capture began, of a packet.
function M:time_of(pinfo)
  if not self.base_s then
    local base = pinfo.abs_ts - pinfo.rel_ts
    self.base_s = math.floor(base)
    self.base_ns = math.floor((base - self.base_s) * 1e9 + 0.5)
    -- Wireshark tells the time to some 0.2 µs; nearly all captures have whole microseconds.
    local whole = math.floor(self.base_ns / 1000 + 0.5) * 1000
    if math.abs(self.base_ns - whole) < 250 then
      self.base_ns = whole
    end
  end
  return math.floor(pinfo.rel_ts * 1e9 + 0.5)
end

-- Seconds since 1970, exact to the microsecond, of such nanoseconds.
function M:epoch(time_ns)
  return (self.base_s * 1000000 + math.floor((self.base_ns + time_ns) / 1000)) / 1e6
end

local function text_of_compression(properties)
  local headers = properties.headers
  local compression = headers and headers.vals.compression
  if compression == nil or compression == "" then
    return nil
  end
  return type(compression) == "string" and compression or "?"
end

-- Decodes a message's body, `body`, as a whole or only as far as `oslo.decode` likes. `inflate(octets)` undoes zlib, or gives
-- nil.
function M.decode(message, body, inflate, whole)
  local compression = text_of_compression(message.properties)
  if compression then
    local plain
    if tables.zlib_names[compression] and #body <= LIMITS.PLUGIN_COMPRESSED_BYTES then
      plain = inflate(body)
    end
    if not plain then
      local why = tables.zlib_names[compression] and "damaged, too large, or more than this Wireshark can undo"
        or "this plugin cannot undo it"
      local named = string.sub(masktext.mask_text(compression), 1, 64)
      return { text = "***", reason = "compression " .. named .. ": " .. why, is_hidden = true }
    end
    body = plain
  end
  return oslo.decode(body, message.method.exchange, message.properties.expiration, whole)
end

-- What a decoded body tells in a line; the whole is decoded again when it is shown. Most tell the same, and share it.
local function essence(self, hot)
  if hot.essence then
    return hot.essence
  end
  local class = hot.failure and (hot.failure.class or "")
  local parts = { hot.kind or "", hot.method or "", hot.event_type or "", tostring(hot.ending), tostring(class), hot.reason or "" }
  local key = table.concat(parts, "\0")
  local found = self.essences[key]
  if not found then
    local name = hot.method or hot.event_type
    found = {
      kind = hot.kind, name = name and masktext.mask_text(name), ending = hot.ending,
      failure = hot.failure and { class = hot.failure.class and masktext.mask_text(hot.failure.class) }, reason = hot.reason,
    }
    if self.essence_count < LIMITS.STATISTICS_KEYS then
      self.essences[key], self.essence_count = found, self.essence_count + 1
    end
  end
  hot.essence = found
  return found
end

-- Enters a message among those of its packet.
local function enter(self, message)
  if self.message_count >= LIMITS.PLUGIN_MESSAGES then
    message.body = nil
    return
  end
  self.message_count = self.message_count + 1
  local list = self.packets[message.number]
  if not list then
    list = {}
    self.packets[message.number] = list
  end
  list[#list + 1] = message
  if message.number ~= self.latest then
    self:settle_one(message, false) -- its packet has been shown
  end
end

-- Learns from an event, in the order of packets; `decoded` is the body of a message, which came from an end on a channel.
local function learn(self, state, event, decoded, from_client, channel)
  if decoded then
    state:message(event, channel)
    event.call = self.calls:message(event, decoded.kind and decoded, from_client)
  else
    state:event(event)
    self.calls:event(event)
  end
end

local function on_event(self, conversation, from_client, event, channel, pieces)
  event.number, event.time_ns = self.number, self.time_ns
  local state, decoded = conversation.state, nil
  if event.name then
    event.from_client = from_client
  else
    event.key, event.at, event.info = self.key, pieces == 1 and self.at or nil, state.info
    decoded = M.decode(event, event.body, self.inflate, self.demand and self.demand.is_whole)
    event.hot, event.decoded = essence(self, decoded), decoded
    enter(self, event)
  end
  if self.is_holding then
    -- What is behind a hole comes later, and belongs before.
    local entry = { state = state, event = event, decoded = decoded, from_client = from_client, channel = channel }
    self.queue:push(event.number, entry)
    if self.queue.size > LIMITS.ORDERED_EVENTS then
      self:release(self.queue:next_due())
    end
  else
    learn(self, state, event, decoded, from_client, channel)
  end
end

-- Learns from the events that waited, up to those of packet `number`.
function M:release(number)
  while self.queue.size > 0 and self.queue:next_due() <= number do
    local _, entry = self.queue:pop()
    learn(self, entry.state, entry.event, entry.decoded, entry.from_client, entry.channel)
  end
end

-- Finds or enters a connection by what names it, between two ends, {ip = …, port = …} each, of which `first` has sent the
-- packet.
-- With `is_syn` it opens the connection; else the ports tell who is the broker.
function M:conversation(stream, first, second, is_syn)
  local found = self.streams[stream]
  if found then
    return found
  end
  local first_is_broker = not is_syn and self.ports[first.port] and not self.ports[second.port]
  local client, broker = first, second
  if first_is_broker then
    client, broker = second, first
  end
  self.stream_serial = self.stream_serial + 1
  local state = connections.new(self.stream_serial, client, broker)
  found = { state = state, client_port = client.port, client_ip = client.ip }
  for _, from_client in ipairs({ true, false }) do
    found[from_client] = contents.new(function(event, channel, pieces)
      on_event(self, found, from_client, event, channel, pieces)
    end, self.budget)
  end
  if self.stream_count >= LIMITS.CONNECTIONS then
    self.streams, self.stream_count, self.last_place, self.place_count, self.latest_streams = {}, 0, {}, 0, {}
  end
  self.streams[stream], self.stream_count = found, self.stream_count + 1
  return found
end

-- Takes an event that is no frame: what happened to the bytes of a direction.
function M:happened(conversation, from_client, event)
  on_event(self, conversation, from_client, event)
end

-- The statistics of requests, as text.
function M:report()
  local open = self.calls.open.size
  local rest = open > 0 and open .. " requests are still open\n" or ""
  return self.statistics:render() .. rest
end

-- Lets go of what need not be kept of a message that was shown; `is_held` where its packet holds its body in one piece.
function M:settle_one(message, is_held)
  message.decoded = nil
  if is_held or not message.body then
    message.body = nil
    return
  end
  self.kept_bytes = self.kept_bytes + #message.body
  if self.kept_bytes > LIMITS.PLUGIN_KEPT_BYTES then
    self.kept_bytes, message.body = self.kept_bytes - #message.body, nil
  end
end

return M
