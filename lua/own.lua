-- Frames as osloshark finds them: this stands before Wireshark's TCP dissector, lets it do its work, and puts the payloads of
-- segments in order itself.

local tables = need("tables")
local framing = need("framing")
local halfstream = need("halfstream")

local M = {}

local byte, floor = string.byte, math.floor
local LIMITS = tables.limits
local HEADER_BYTES = 20
local FIN, SYN, RST, ACK = 1, 2, 4, 16
-- Directions that wait for the bytes of a hole are looked at in turns, so many at each packet.
local TURNS = 4
-- How often it is looked which events may go that wait for what is behind holes, in packets.
local RELEASE_PACKETS = 16

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

-- What the header of a segment says (RFC 9293, clause 3.1), and its payload as far as it was captured; `size` is what was sent.
-- Nil where the header is cut short, or none.
local function segment_of(tvb)
  if tvb:len() < HEADER_BYTES then
    return nil
  end
  local header = tvb:raw(0, HEADER_BYTES)
  local a, b, c, d, e, f, g, h, i, j, k, l, m, flags = byte(header, 1, 14)
  local header_bytes = floor(m / 16) * 4
  local size = tvb:reported_len() - header_bytes
  if header_bytes < HEADER_BYTES or size < 0 then
    return nil
  end
  local captured = math.min(tvb:len() - header_bytes, size)
  local function has(flag)
    return floor(flags / flag) % 2 == 1
  end
  return {
    source_port = a * 256 + b, destination_port = c * 256 + d, sequence = ((e * 256 + f) * 256 + g) * 256 + h,
    acknowledgment = has(ACK) and ((i * 256 + j) * 256 + k) * 256 + l or nil, size = size,
    payload = captured > 0 and tvb:raw(header_bytes, captured) or "", is_syn = has(SYN), is_fin = has(FIN), is_rst = has(RST),
  }
end

-- Whether a segment belongs to another connection on the same ports than the one that is known: its SYN counts from elsewhere.
local function is_another(conversation, from_client, segment)
  local base = conversation.bases[from_client]
  return segment.is_syn and base ~= nil and base ~= segment.sequence
end

-- Finds the connection that a segment belongs to, and whether the client sent it.
local function place(session, pinfo, segment)
  local sender = { ip = tostring(pinfo.src), port = segment.source_port }
  local receiver = { ip = tostring(pinfo.dst), port = segment.destination_port }
  local one, other = sender.ip .. " " .. sender.port, receiver.ip .. " " .. receiver.port
  local ends = one < other and one .. " " .. other or other .. " " .. one
  local function is_from_client(conversation)
    return sender.port == conversation.client_port and (sender.port ~= receiver.port or sender.ip == conversation.client_ip)
  end
  local stream = session.latest_streams[ends]
  local conversation = stream and session.streams[stream]
  if conversation then
    local from_client = is_from_client(conversation)
    if not is_another(conversation, from_client, segment) then
      return conversation, from_client
    end
  end
  stream = ends .. " " .. pinfo.number
  if segment.is_syn and segment.acknowledgment then
    conversation = session:conversation(stream, receiver, sender, true)
  else
    conversation = session:conversation(stream, sender, receiver, segment.is_syn)
  end
  conversation.bases, conversation.first_number = {}, pinfo.number
  session.latest_streams[ends] = stream
  return conversation, is_from_client(conversation)
end

-- Learns of a segment, when its packet is seen for the first time.
local function collect(session, tvb, pinfo)
  local segment = segment_of(tvb)
  local ports = session.ports
  if not segment or not (ports[segment.source_port] or ports[segment.destination_port]) then
    return
  end
  local time_ns = session:time_of(pinfo)
  -- A clock that is set, or a machine that slept, shall not end every wait at once.
  local step = math.min(math.max(time_ns - (session.last_ns or time_ns), 0), LIMITS.CLOCK_STEP_NS)
  session.clock_ns, session.last_ns = (session.clock_ns or 0) + step, time_ns
  local now = { number = pinfo.number, time_ns = time_ns, clock_ns = session.clock_ns }
  session.last = now
  local conversation, from_client = place(session, pinfo, segment)
  local halves = halves_of(session, conversation)
  local half, other = halves[from_client], halves[not from_client]
  local sequence, size = segment.sequence, segment.size
  conversation.bases[from_client] = conversation.bases[from_client] or (sequence - (segment.is_syn and 0 or 1)) % 4294967296
  if segment.is_syn then
    half:syn(sequence)
    sequence = sequence + 1
  end
  if size > 0 then
    half:segment(sequence, segment.payload, size, now)
  end
  if segment.is_fin or segment.is_rst then
    half:close(sequence + size, now)
    if segment.is_rst and other.next then
      other:close(other.next, now)
    end
  end
  if segment.acknowledgment then
    other:acknowledged(segment.acknowledgment, now)
  end
  enter_waiting(session, half)
  enter_waiting(session, other)
  expire(session, now)
  release(session, now)
end

-- Makes the dissector that stands before TCP's. `take(pinfo)` gives the session where the packet is seen for the first time;
-- `show(tvb, pinfo, tree)` shows the messages that the packet completed.
function M.dissector(take, show)
  local original = Dissector.get("tcp")
  local call = original.call
  return function(tvb, pinfo, tree)
    local session = take(pinfo)
    if session then
      collect(session, tvb, pinfo)
    end
    -- A packet that is cut short raises an error, which is shown by then.
    local is_whole, taken = pcall(call, original, tvb, pinfo, tree)
    show(tvb, pinfo, tree)
    return is_whole and taken or tvb:len()
  end
end

-- Learns that all packets were seen: what waits for a hole comes out.
function M.finish(session)
  if not session.last then
    return
  end
  local conversations = {}
  for _, conversation in pairs(session.streams) do
    conversations[#conversations + 1] = conversation
  end
  table.sort(conversations, function(one, other)
    return one.first_number < other.first_number
  end)
  for _, conversation in ipairs(conversations) do
    for _, from_client in ipairs({ true, false }) do
      conversation.halves[from_client]:finish(session.last)
    end
  end
  session.waiting, session.waiting_set = {}, {}
  release(session, session.last)
end

-- All messages of a packet are shown at once.
function M.key()
  return nil
end

-- Bodies are kept: the packet holds the bytes of segments.
function M.holds()
  return false
end

-- A message's body; no range stands for what may lie in several packets.
function M.read(message)
  return message.body, nil, false
end

return M
