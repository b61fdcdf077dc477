-- From the octets of one direction to AMQP frames (AMQP 0-9-1, clause 4.2.3), from wherever the octets begin.
--
-- While in step, a frame begins where the one before it ended; so it does behind a hole within a frame whose header was seen,
-- for that says where the frame ends. Out of step, a beginning is looked for: see `resync`.

local tables = need("tables")
local resync = need("resync")

local M = {}
M.__index = M

local byte, sub = string.byte, string.sub
local FRAME, LIMITS = tables.frame, tables.limits
local HEADER = tables.protocol_header
local UNKNOWN = 2 ^ 53
local TUNE, TUNE_OK, TUNE_BYTES = 10 * 65536 + 30, 10 * 65536 + 31, 12
local TLS = "\22\3"

-- Gives a reader of one direction. `sink` has the methods frame(kind, channel, data, start, stop, number, time_ns),
-- protocol(number, time_ns), foreign(number, time_ns), lost(unseen, passed_over, reason, number, time_ns).
function M.new(sink)
  return setmetatable({
    sink = sink, held = {}, held_bytes = 0, needed = 1, negotiated = UNKNOWN, in_step = false, is_first = true,
    at_hole = true, is_foreign = false, passed_over = 0, unseen = 0, cut = 0, cut_channel = 0, search = resync.new(),
    reason = "the capture begins inside a frame",
  }, M)
end

-- The octets that are held, with the packets that they came in.
local function run_of(self)
  local run = { ends = {}, numbers = {}, times = {} }
  local parts, size = {}, 0
  for index, piece in ipairs(self.held) do
    parts[index] = piece.octets
    size = size + #piece.octets
    run.ends[index], run.numbers[index], run.times[index] = size, piece.number, piece.time_ns
  end
  run.data = #parts == 1 and parts[1] or table.concat(parts)
  return run
end

-- The index of the packet that has the octet at `place`.
local function packet_of(run, place)
  local low, high = 1, #run.ends
  while low < high do
    local middle = math.floor((low + high) / 2)
    if run.ends[middle] < place then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- The packet with which the octet at `place` became readable, and its time; never before what showed that step was lost.
local function when(self, run, place)
  local index = packet_of(run, math.min(place, #run.data))
  local number, time_ns = run.numbers[index], run.times[index]
  if self.floor and self.floor[1] > number then
    return self.floor[1], self.floor[2]
  end
  return number, time_ns
end

-- Holds the octets from `at` on until more come.
local function keep(self, run, at)
  local held = {}
  self.held_bytes = math.max(#run.data - at + 1, 0)
  if self.held_bytes > 0 then
    local first = packet_of(run, at)
    local begin = at
    for index = first, #run.ends do
      held[#held + 1] = { octets = sub(run.data, begin, run.ends[index]), number = run.numbers[index], time_ns = run.times[index] }
      begin = run.ends[index] + 1
    end
  end
  self.held = held
end

-- The largest payload that is believed of a kind of frame; -1 where there is no such kind.
local function most(self, kind)
  if kind == FRAME.BODY then
    return math.min(self.negotiated, LIMITS.PLUGIN_BODY_BYTES)
  elseif kind == FRAME.METHOD or kind == FRAME.HEADER then
    return math.min(self.negotiated, LIMITS.RESYNC_FRAME_BYTES)
  end
  return kind == FRAME.HEARTBEAT and 0 or -1
end

-- Learns frame_max from connection.tune, which the broker offers, or tune-ok, which the client settles on.
local function negotiate(self, data, start)
  local a, b, c, d, _, _, e, f, g, h = byte(data, start, start + 9)
  local key, frame_max = ((a * 256 + b) * 256 + c) * 256 + d, ((e * 256 + f) * 256 + g) * 256 + h
  if (key == TUNE or key == TUNE_OK) and frame_max > 0 then
    self.negotiated = math.min(self.negotiated, math.max(frame_max, FRAME.MIN_SIZE) - 8)
  end
end

-- Reads frames from `at` on, in step; gives where the first one that is not whole begins.
local function walk(self, run, at)
  local data = run.data
  local size = #data
  while at + 7 <= size do
    local kind, channel, length = resync.header(data, at)
    local stop = at + 7 + length -- the end octet's place
    if length > most(self, kind) then
      self.lost_with = { when(self, run, at + 7) }
      self.in_step, self.at_hole, self.reason = false, false, "no AMQP frame where one should begin"
      return at
    elseif stop > size then
      self.needed = stop - at + 1
      return at
    elseif byte(data, stop) ~= FRAME.END then
      self.lost_with = { when(self, run, stop) }
      self.in_step, self.at_hole, self.reason = false, false, "no AMQP frame where one should begin"
      return at
    end
    self.sink:frame(kind, channel, data, at + 7, stop, when(self, run, stop))
    if channel == 0 and length == TUNE_BYTES then
      negotiate(self, data, at + 7)
    end
    at = stop + 1
  end
  self.needed = 8
  return at
end

-- Is in step from `at` on.
local function found(self, run, at)
  self.floor = self.lost_with
  local number, time_ns = when(self, run, at)
  self.sink:lost(self.unseen + self.passed_over, self.passed_over, self.reason, number, time_ns)
  self.in_step, self.passed_over, self.unseen, self.lost_with = true, 0, 0, nil
end

-- Looks for a beginning from `at` on; gives it, or where to look again when more octets are there.
local function look(self, run, at, is_last)
  local function ends_packet(place)
    return run.ends[packet_of(run, place)] == place
  end
  local place, is_frame, needed = resync.find(self.search, run.data, at, ends_packet, self.at_hole, is_last)
  self.passed_over = self.passed_over + math.max(math.min(place, #run.data + 1) - at, 0)
  if is_frame then
    found(self, run, place)
  elseif is_frame == nil then
    -- Held octets are looked at again from the same candidate. To join what is held costs time: it must grow for that.
    self.at_hole = true
    local held = #run.data - place + 1
    local grown = held > LIMITS.RESYNC_JOINED_BYTES and held + math.floor(held / 8) or 0
    self.needed = math.max(needed - place + 1, grown)
  else
    self.at_hole, self.needed = false, 1
  end
  return place
end

local function lose_step(self, unseen)
  self.in_step, self.at_hole, self.reason = false, true, "bytes are missing"
  self.unseen = math.min(self.unseen + unseen, UNKNOWN)
end

-- Goes on behind the frame with a hole in it; gives where.
local function mend(self, run)
  local stop = self.cut
  self.cut = 0
  if byte(run.data, stop) == FRAME.END then
    return stop + 1
  end
  -- Its header was none, or the hole has another size: what was taken for its rest may be anything.
  lose_step(self, UNKNOWN)
  return 1
end

local function read(self, run, at, is_last)
  if self.cut > 0 then
    at = mend(self, run)
  end
  while true do
    if not self.in_step then
      at = look(self, run, at, is_last)
      if not self.in_step then
        return at
      end
    end
    at = walk(self, run, at)
    if self.in_step then
      return at
    end
  end
end

local function give_up(self, run)
  self.is_foreign, self.held, self.held_bytes = true, {}, 0
  local number, time_ns = when(self, run, 1)
  self.sink:foreign(number, time_ns)
  return nil
end

-- Reads how the stream begins; gives where frames may begin, or nil where there are none, or more octets must tell.
local function begin(self, run, at_start)
  local data = run.data
  local head = sub(data, 1, 8)
  if #head < 8 and (sub("AMQP", 1, #head) == sub(head, 1, 4) or sub(TLS, 1, #head) == sub(head, 1, 2)) then
    self.needed = 8
    return nil
  end
  self.is_first = false
  if sub(head, 1, 2) == TLS and (byte(head, 6) == 1 or byte(head, 6) == 2) then
    return give_up(self, run)
  elseif sub(head, 1, 4) ~= "AMQP" then
    -- A broker answers with frames; whatever else stands here is searched for them.
    if at_start then
      self.in_step = most(self, byte(head, 1)) >= 0
      self.reason = "no AMQP frame where one should begin"
    end
    return 1
  elseif head == HEADER then
    if self.unseen > 0 then
      found(self, run, 1)
    end
    self.in_step = true
    self.sink:protocol(when(self, run, 8))
    return 9
  elseif not at_start then
    return 1 -- the middle of a start-ok, say: AMQPLAIN
  end
  return give_up(self, run)
end

-- Takes the next octets.
function M:feed(octets, number, time_ns, at_start)
  if self.is_foreign then
    return
  end
  self.held[#self.held + 1] = { octets = octets, number = number, time_ns = time_ns }
  self.held_bytes = self.held_bytes + #octets
  if self.is_first then
    self.begins_whole = self.begins_whole or at_start
  end
  if self.held_bytes < self.needed then
    return
  end
  local run, at = run_of(self), 1
  if self.is_first then
    at = begin(self, run, self.begins_whole)
    if not at then
      return
    end
  end
  keep(self, run, read(self, run, at, false))
  self.floor = nil
end

-- Learns that more octets may not come: a frame that only waited to be confirmed comes out.
function M:pause()
  if self.in_step or self.cut > 0 or self.is_foreign or #self.held == 0 then
    return
  end
  local run = run_of(self)
  keep(self, run, read(self, run, 1, true))
  self.floor = nil
end

-- The channel of the frame that is held in part, and how many octets of it are still to come with its end octet; nil where
-- its header is not held.
local function begun(self)
  if self.cut > 0 then
    return self.cut_channel, self.cut - self.held_bytes
  elseif not self.in_step or self.held_bytes < 7 then
    return nil
  end
  local kind, channel, length = resync.header(run_of(self).data, 1)
  if length > most(self, kind) then
    return nil
  end
  return channel, 8 + length - self.held_bytes
end

-- Learns that `size` octets after those fed are missing, or with nil that nobody knows how many. Gives the channel of the
-- frame that the hole cuts; nil where that is not known.
function M:gap(size)
  self:pause()
  if not size then
    self.negotiated = UNKNOWN
  end
  local missing = size or UNKNOWN
  local channel, left = begun(self)
  if not channel then
    self.passed_over, left = self.passed_over + self.held_bytes, 0
  else
    self.cut_channel = channel
  end
  self.cut = math.max(left - missing, 0)
  if not channel or missing > left then
    lose_step(self, missing - left)
  end
  self.held, self.held_bytes = {}, 0
  self.needed = math.max(self.cut, 1)
  self.is_first = size == nil
  return channel
end

return M
