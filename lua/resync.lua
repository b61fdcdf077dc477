-- Where frames begin again, in octets that are not known to begin with one.
--
-- A candidate is the first octet after a hole, or any after 0xCE, since every frame ends with that. It is confirmed where
-- its frame is whole and decodes without a rest, and its packet ends with it or a frame header follows.

local tables = need("tables")
local methods = need("methods")

local M = {}

local byte, find = string.byte, string.find
local FRAME, LIMITS = tables.frame, tables.limits
local CANDIDATE_BYTES = 12

-- Whether the header of a frame may be one (heartbeats are empty and on channel 0: clause 4.2.7).
local function plausible(kind, channel, size)
  if kind == FRAME.HEARTBEAT then
    return channel == 0 and size == 0
  elseif kind == FRAME.METHOD then
    return size >= 4 and size <= LIMITS.RESYNC_FRAME_BYTES
  elseif kind == FRAME.HEADER then
    return channel ~= 0 and size >= FRAME.CONTENT_HEADER_BYTES and size <= LIMITS.RESYNC_FRAME_BYTES
  end
  return kind == FRAME.BODY and channel ~= 0 and size <= LIMITS.RESYNC_FRAME_BYTES
end

-- The header of the frame at `at`: kind, channel, payload size.
function M.header(data, at)
  local kind, c, d, e, f, g, h = byte(data, at, at + 6)
  return kind, c * 256 + d, ((e * 256 + f) * 256 + g) * 256 + h
end

-- Whether the first octets of a payload may be those of its kind; nil where there are too few to tell.
local function is_known(kind, data, start)
  if kind ~= FRAME.METHOD and kind ~= FRAME.HEADER then
    return true
  end
  local a, b, c, d = byte(data, start, start + 3)
  if not d then
    return nil
  elseif kind == FRAME.METHOD then
    return tables.methods[((a * 256 + b) * 256 + c) * 256 + d] ~= nil
  end
  return a * 256 + b == tables.content_class and c == 0 and d == 0
end

-- The next candidate after the 0xCE at or after `at`; beyond the end where there is none.
local function following(data, at)
  local size = #data
  while true do
    local stop = find(data, "\206", at, true)
    if not stop then
      return size + 2
    elseif size - stop < CANDIDATE_BYTES then
      return stop + 1
    end
    local kind, channel, length = M.header(data, stop + 1)
    if plausible(kind, channel, length) and is_known(kind, data, stop + 8) then
      return stop + 1
    end
    at = stop + 1
  end
end

local function decodes(search, kind, data, start, stop)
  if kind ~= FRAME.METHOD and kind ~= FRAME.HEADER then
    return true
  end
  search.allowance = search.allowance - (stop - start)
  if search.allowance < 0 then
    return false
  elseif kind == FRAME.METHOD then
    return methods.method(data, start, stop) ~= nil
  end
  return methods.content_header(data, start, stop) ~= nil
end

-- Whether a frame begins at `at`, nil where more octets must tell; and how many octets of the data those are.
local function confirm(search, data, at, ends_packet, is_last)
  local size = #data
  if at + 7 > size + 1 then
    return nil, at + 6
  end
  local kind, channel, length = M.header(data, at)
  if not plausible(kind, channel, length) then
    return false
  end
  local start = at + 7
  local known = is_known(kind, data, start)
  if not known then
    if known == nil then
      return nil, start + 3
    end
    return false
  end
  local stop = start + length -- the end octet's place
  if stop > size then
    return nil, stop
  elseif byte(data, stop) ~= FRAME.END then
    return false
  end
  if not ends_packet(stop) then
    if stop + 7 <= size then
      if not plausible(M.header(data, stop + 1)) then
        return false
      end
    elseif not is_last then
      return nil, stop + 7
    end
  end
  return decodes(search, kind, data, start, stop)
end

-- Gives what a search remembers.
function M.new()
  return { allowance = LIMITS.RESYNC_DECODED_BYTES }
end

-- Looks for a frame from `at` on. `ends_packet(place)` tells whether a packet ends with that octet; `at_hole` that a frame may
-- begin at `at` although no 0xCE stands before it; `is_last` that no more octets come. Gives the place, whether a frame begins
-- there (false: there is none up to the end; nil: more octets must tell), and how many octets must be there to tell.
function M.find(search, data, at, ends_packet, at_hole, is_last)
  local size = #data
  local passed = at
  if not at_hole then
    at = following(data, at)
  end
  while at <= size + 1 do
    search.allowance = search.allowance + LIMITS.RESYNC_DECODED_RATIO * (at - passed)
    passed = at
    local found, needed = confirm(search, data, at, ends_packet, is_last)
    if found then
      return at, true
    elseif found == nil and not is_last then
      return at, nil, needed
    end
    at = following(data, at)
  end
  search.allowance = search.allowance + LIMITS.RESYNC_DECODED_RATIO * (size + 1 - passed)
  return size + 1, false
end

return M
