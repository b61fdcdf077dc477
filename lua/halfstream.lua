-- One direction of a TCP connection: its segments put in order, holes told.
--
-- Positions are offsets: octets since the first one expected, counting the missing ones; sequence numbers are turned into
-- offsets at the door. A hole is waited for until packets enough have passed: what is missing may be captured out of order,
-- or be sent again. Unlike osloshark itself this does not wait for what may precede the first segment of a connection that
-- was open already: Wireshark shows a packet when it comes.

local tables = need("tables")

local M = {}
M.__index = M

local LIMITS = tables.limits
local sub = string.sub

-- How far one sequence number is after another (RFC 9293, 3.4).
local function distance(later, earlier)
  return (later - earlier + 2147483648) % 4294967296 - 2147483648
end

-- Gives a direction. `sink` has the methods data(octets, number, time_ns, at_start), gap(size or nil, number, time_ns,
-- since_ns), finish(number, time_ns).
function M.new(sink)
  return setmetatable({
    sink = sink, offset = 0, acked = 0, sent = 0, held = {}, held_bytes = 0, is_waiting = false, ended = false, last_ns = nil,
  }, M)
end

local function expect(self, sequence)
  self.next = sequence
end

-- Begins at a SYN.
function M:syn(sequence)
  if not self.next then
    expect(self, (sequence + 1) % 4294967296)
    self.is_whole = true
  end
end

local function advance(self, size)
  self.next = (self.next + size) % 4294967296
  self.offset = self.offset + size
end

local function deliver(self, octets, number, time_ns)
  local at_start = self.is_whole and self.offset == 0
  self.ended = false
  -- Stream order: nothing is readable before what precedes it.
  if self.last_number and number < self.last_number then
    number, time_ns = self.last_number, self.last_ns
  end
  self.last_number, self.last_ns = number, time_ns
  advance(self, #octets)
  self.sink:data(octets, number, time_ns, at_start)
end

local function note_acked(self, now)
  if self.is_waiting and not self.acked_since then
    local wanted = self.held[1] and self.held[1].offset or self.closing
    if wanted and self.acked >= wanted then
      self.acked_since = now
    end
  end
end

local function wait_anew(self, now)
  self.is_waiting = #self.held > 0 or self.closing ~= nil
  self.since, self.acked_since = now, nil
  note_acked(self, now)
end

local function end_if_done(self, now)
  if self.closing and not self.ended and #self.held == 0 and self.offset >= self.closing then
    self.closing, self.ended, self.is_waiting = nil, true, false
    self.sink:finish(now.number, now.time_ns)
  end
end

-- Delivers what follows on without a hole; `is_filled` where the packet of `now` closed it.
local function fill(self, now, is_filled)
  local count = 0
  for index = 1, #self.held do
    local piece = self.held[index]
    if piece.offset > self.offset then
      break
    end
    count = index
    local number, time_ns = piece.number, piece.time_ns
    if is_filled then
      number, time_ns = now.number, now.time_ns
    end
    deliver(self, piece.octets, number, time_ns)
    self.held_bytes = self.held_bytes - #piece.octets
  end
  if count > 0 then
    local rest = {}
    for index = count + 1, #self.held do
      rest[index - count] = self.held[index]
    end
    self.held = rest
    wait_anew(self, now)
  end
  end_if_done(self, now)
end

-- Waits no longer: declares the first hole lost, and goes on behind it.
local function give_up(self, now)
  local piece = self.held[1]
  if not piece then
    local missing = self.closing - self.offset
    self.sink:gap(missing, now.number, now.time_ns, self.last_ns)
    advance(self, missing)
    end_if_done(self, now)
    return
  end
  local missing = piece.offset - self.offset
  self.sink:gap(missing, piece.number, piece.time_ns, self.last_ns)
  advance(self, missing)
  wait_anew(self, now)
  fill(self, now, false)
end

-- Puts octets among those that are held, which ascend and do not overlap: where both have one, the first stays.
local function hold(self, offset, octets, now)
  local held = self.held
  local low, high = 1, #held + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if held[middle].offset <= offset then
      low = middle + 1
    else
      high = middle
    end
  end
  local at = low
  local before = held[at - 1]
  if before and before.offset + #before.octets > offset then
    local common = before.offset + #before.octets - offset
    octets, offset = sub(octets, common + 1), offset + common
  end
  while #octets > 0 do
    local behind = held[at]
    local size = behind and math.min(behind.offset - offset, #octets) or #octets
    if size > 0 then
      table.insert(held, at, { offset = offset, octets = sub(octets, 1, size), number = now.number, time_ns = now.time_ns })
      self.held_bytes = self.held_bytes + size
      at = at + 1
    end
    if not behind then
      break
    end
    local skipped = behind.offset + #behind.octets - offset
    octets, offset, at = sub(octets, skipped + 1), offset + skipped, at + 1
  end
  if not self.is_waiting then
    self.is_waiting, self.since, self.acked_since = true, now, nil
    note_acked(self, now)
  end
end

-- A segment of unbelievable number. Two that belong together are another connection on these ports, whose SYN was not
-- seen; a single one is broken.
local function wander(self, sequence, octets, sent, now)
  local stray = self.stray
  if not stray or math.abs(distance(sequence, stray.sequence)) > LIMITS.WINDOW_BYTES then
    self.stray = { sequence = sequence, octets = octets, sent = sent, now = now }
    return
  end
  self.stray = nil
  self:finish(now)
  self.sink:gap(nil, stray.now.number, stray.now.time_ns, self.last_ns)
  self.is_whole, self.closing, self.is_waiting, self.ended = false, nil, false, false
  self.acked, self.sent = self.offset, self.offset
  expect(self, stray.sequence)
  self:segment(stray.sequence, stray.octets, stray.sent, stray.now)
  self:segment(sequence, octets, sent, now)
end

-- Takes a segment's payload; `sent` is what its packet carried before a snap length cut it. `now` is its packet: its number
-- and its time_ns.
function M:segment(sequence, octets, sent, now)
  if not self.next then
    expect(self, sequence)
  end
  local ahead = distance(sequence, self.next)
  if math.abs(ahead) > LIMITS.WINDOW_BYTES then
    wander(self, sequence, octets, sent, now)
    return
  elseif sent == 1 and ahead == -1 then
    return -- a keepalive: its content means nothing (RFC 9293, 3.8.4)
  end
  self.sent = math.max(self.sent, self.offset + ahead + sent)
  if self.closing and self.sent > self.closing then
    self.closing = nil -- a FIN that nobody but the capture took
  end
  if ahead == 0 and #self.held == 0 then
    if #octets > 0 then
      deliver(self, octets, now.number, now.time_ns)
    end
    end_if_done(self, now)
    return
  end
  local offset = self.offset + ahead
  if ahead < 0 then
    octets, offset = sub(octets, 1 - ahead), self.offset
  end
  if #octets > 0 then
    hold(self, offset, octets, now)
    fill(self, now, true)
    while self.held_bytes > LIMITS.HELD_BYTES or #self.held > LIMITS.HELD_SEGMENTS do
      give_up(self, now)
    end
  end
end

-- The lowest number of a packet whose octets are held; nil where there is none.
function M:oldest_held()
  local oldest
  for _, piece in ipairs(self.held) do
    if not oldest or piece.number < oldest then
      oldest = piece.number
    end
  end
  return oldest
end

-- Takes a FIN or a RST with its own sequence number: the stream ends there.
function M:close(sequence, now)
  local ahead = self.next and distance(sequence, self.next) or 0
  if self.next and not self.ended and ahead >= 0 and ahead <= LIMITS.WINDOW_BYTES then
    self.closing = self.offset + ahead
    if not self.is_waiting then
      wait_anew(self, now)
    end
    end_if_done(self, now)
  end
end

-- Takes the other side's acknowledgment number.
function M:acknowledged(acknowledgment, now)
  if not self.next then
    return
  end
  local ahead = distance(acknowledgment, self.next)
  if ahead <= LIMITS.WINDOW_BYTES then
    self.acked = math.max(self.acked, self.offset + ahead)
  end
  note_acked(self, now)
  if self.is_waiting and not self.acked_since then
    self.since = now -- the receiver lacks it too, so it will be sent again
  end
end

-- Gives up what was waited for long enough at the packet `now`; `clock_ns` of a packet is its time on a clock that never
-- leaps.
function M:expire(now)
  while self.is_waiting do
    local since = self.acked_since or self.since
    local least = self.acked_since and LIMITS.HOLE_ACKED_NS or LIMITS.HOLE_NS
    if now.number - since.number < LIMITS.HOLE_PACKETS or now.clock_ns - since.clock_ns < least then
      return
    end
    give_up(self, now)
  end
end

-- Gives out what is held, holes told.
function M:finish(now)
  while #self.held > 0 or (self.closing and not self.ended) do
    give_up(self, now)
  end
  if self.next and self.sent > self.offset then
    local missing = self.sent - self.offset
    self.sink:gap(missing, now.number, now.time_ns, self.last_ns)
    advance(self, missing)
  end
  if not self.ended then
    self.ended = true
    self.sink:finish(now.number, now.time_ns)
  end
end

return M
