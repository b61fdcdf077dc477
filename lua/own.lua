-- Frames as osloshark finds them: out of the payloads of TCP segments, put in order here.

local tables = need("tables")
local framing = need("framing")
local halfstream = need("halfstream")

local M = {}

local LIMITS = tables.limits
local FIN, SYN, RST, ACK = 1, 2, 4, 16
-- Directions that wait for the bytes of a hole are looked at in turns, so many at each packet.
local TURNS = 4
-- How often it is looked which events may go that wait for what is behind holes, in packets.
local RELEASE_PACKETS = 16

-- Fields of Wireshark's that are read of every packet of a broker.
function M.prepare()
  M.fields = {
    stream = Field.new("tcp.stream"), sequence = Field.new("tcp.seq_raw"),
    acknowledgment = Field.new("tcp.ack_raw"), flags = Field.new("tcp.flags"), size = Field.new("tcp.len"),
    payload = Field.new("tcp.payload"),
  }
end

local Sink = {}
Sink.__index = Sink

-- What takes the bytes of one direction, and gives what is found in them to the session.
local function new_sink(session, conversation, from_client)
  local sink = setmetatable({ session = session, conversation = conversation, from_client = from_client }, Sink)
  sink.frames = framing.new(sink)
  return sink
end

local function at(sink, number, time_ns)
  sink.session.number, sink.session.time_ns = number, time_ns
end

function Sink:data(octets, number, time_ns, at_start)
  self.frames:feed(octets, number, time_ns, at_start)
end

function Sink:gap(size, number, time_ns, since_ns)
  local channel = self.frames:gap(size)
  at(self, number, time_ns)
  if channel then
    self.conversation[self.from_client]:cut(channel, "bytes are missing")
  end
  self.session:happened(self.conversation, self.from_client, { name = "gap", size = size, since_ns = since_ns })
end

function Sink:finish(number, time_ns)
  self.frames:pause()
  at(self, number, time_ns)
  self.conversation[self.from_client]:finish("the connection ends")
end

function Sink:frame(kind, channel, data, start, stop, number, time_ns)
  at(self, number, time_ns)
  self.conversation[self.from_client]:frame(kind, channel, data, start, stop)
end

function Sink:protocol(number, time_ns)
  at(self, number, time_ns)
  self.session:happened(self.conversation, self.from_client, { name = "protocol-header" })
end

function Sink:foreign(number, time_ns)
  at(self, number, time_ns)
end

function Sink:lost(unseen, passed_over, reason, number, time_ns)
  at(self, number, time_ns)
  self.conversation[self.from_client]:lost(unseen, passed_over, reason)
end

local function halves_of(session, conversation)
  if not conversation.halves then
    conversation.halves = {}
    for _, from_client in ipairs({ true, false }) do
      conversation.halves[from_client] = halfstream.new(new_sink(session, conversation, from_client))
    end
  end
  return conversation.halves
end

local function enter_waiting(session, half)
  if half.is_waiting and not session.waiting_set[half] then
    session.waiting[#session.waiting + 1] = half
    session.waiting_set[half] = true
  end
end

-- Looks at the next of those who wait for a hole.
local function expire(session, now)
  local waiting = session.waiting
  for _ = 1, math.min(TURNS, #waiting) do
    session.turn = session.turn % #waiting + 1
    local half = waiting[session.turn]
    half:expire(now)
    if not half.is_waiting then
      session.waiting_set[half] = nil
      waiting[session.turn] = waiting[#waiting]
      waiting[#waiting] = nil
      if #waiting == 0 then
        return
      end
    end
  end
end

-- Lets the events go that nothing which is held behind a hole precedes.
local function release(session, now)
  local was_holding = session.is_holding
  session.is_holding = #session.waiting > 0
  if not session.is_holding then
    if was_holding then
      session:release(math.huge)
    end
  elseif now.number % RELEASE_PACKETS == 0 then
    local oldest = math.huge
    for _, half in ipairs(session.waiting) do
      oldest = math.min(oldest, half:oldest_held() or math.huge)
    end
    session:release(oldest - 1)
  end
end

-- Learns of a segment, when its packet is seen for the first time.
function M.collect(session, pinfo)
  local ports = session.ports
  if not ports[pinfo.src_port] and not ports[pinfo.dst_port] then
    return
  end
  local fields = M.fields
  local stream, sequence, flags, size = fields.stream(), fields.sequence(), fields.flags(), fields.size()
  if not (stream and sequence and flags and size) then
    session.is_blind, session.latest = true, 0
    return
  end
  local time_ns = session:time_of(pinfo)
  -- A clock that is set, or a machine that slept, shall not end every wait at once.
  local step = math.min(math.max(time_ns - (session.last_ns or time_ns), 0), LIMITS.CLOCK_STEP_NS)
  session.clock_ns, session.last_ns = (session.clock_ns or 0) + step, time_ns
  local now = { number = pinfo.number, time_ns = time_ns, clock_ns = session.clock_ns }
  session.waiting, session.waiting_set = session.waiting or {}, session.waiting_set or {}
  session.turn, session.last = session.turn or 0, now
  stream, flags = stream.value, flags.value
  local function has(flag)
    return math.floor(flags / flag) % 2 == 1
  end
  local conversation = session.streams[stream]
  if not conversation then
    local source = { ip = tostring(pinfo.src), port = pinfo.src_port }
    local destination = { ip = tostring(pinfo.dst), port = pinfo.dst_port }
    if has(SYN) and has(ACK) then
      source, destination = destination, source
    end
    conversation = session:conversation(stream, source, destination, has(SYN))
  end
  local from_client = pinfo.src_port == conversation.client_port
  if from_client and pinfo.dst_port == conversation.client_port then
    from_client = tostring(pinfo.src) == conversation.client_ip
  end
  local halves = halves_of(session, conversation)
  local half, other = halves[from_client], halves[not from_client]
  sequence = sequence.value
  if has(SYN) then
    half:syn(sequence)
    sequence = sequence + 1
  end
  local payload = size.value > 0 and fields.payload()
  if size.value > 0 then
    half:segment(sequence, payload and payload.range and payload.range:raw() or "", size.value, now)
  end
  if has(FIN) or has(RST) then
    half:close(sequence + size.value, now)
    if has(RST) and other.next then
      other:close(other.next, now)
    end
  end
  local acknowledgment = has(ACK) and fields.acknowledgment()
  if acknowledgment then
    other:acknowledged(acknowledgment.value, now)
  end
  enter_waiting(session, half)
  enter_waiting(session, other)
  expire(session, now)
  release(session, now)
end

-- Learns that all packets were seen: what waits for a hole comes out.
function M.finish(session)
  if not session.last then
    return
  end
  local streams = {}
  for stream in pairs(session.streams) do
    streams[#streams + 1] = stream
  end
  table.sort(streams)
  for _, stream in ipairs(streams) do
    local halves = session.streams[stream].halves
    for _, from_client in ipairs({ true, false }) do
      halves[from_client]:finish(session.last)
    end
  end
  session.waiting, session.waiting_set = {}, {}
  release(session, session.last)
end

-- Bodies are kept: the packet holds the bytes of segments.
function M.holds()
  return false
end

-- A message's body; no range stands for what may lie in several packets.
function M.read(message)
  return message.body, nil
end

return M
