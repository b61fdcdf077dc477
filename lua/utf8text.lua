-- Text: whether octets are UTF-8, and how they are shown where they are not.

local M = {}

local find, gsub, byte, char, format = string.find, string.gsub, string.byte, string.char, string.format
local floor = math.floor

-- True where octets are well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
function M.is_utf8(text)
  if not find(text, "[\128-\255]") then
    return true
  end
  -- Lead octets are never continuation octets, so taking the sequences out by length finds each where it stands.
  local rest = text
  rest = gsub(rest, "\240[\144-\191][\128-\191][\128-\191]", "x")
  rest = gsub(rest, "[\241-\243][\128-\191][\128-\191][\128-\191]", "x")
  rest = gsub(rest, "\244[\128-\143][\128-\191][\128-\191]", "x")
  rest = gsub(rest, "\224[\160-\191][\128-\191]", "x")
  rest = gsub(rest, "\237[\128-\159][\128-\191]", "x")
  rest = gsub(rest, "[\225-\236\238\239][\128-\191][\128-\191]", "x")
  rest = gsub(rest, "[\194-\223][\128-\191]", "x")
  return not find(rest, "[\128-\255]")
end

-- Encodes a code point; surrogates too, in three octets: the caller joins or replaces them.
function M.encode(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return char(
    0xF0 + floor(code / 0x40000),
    0x80 + floor(code / 0x1000) % 0x40,
    0x80 + floor(code / 0x40) % 0x40,
    0x80 + code % 0x40
  )
end

local function join_surrogates(pair)
  local a, b, c, d = byte(pair, 2), byte(pair, 3), byte(pair, 5), byte(pair, 6)
  local high = (a - 0x80) * 0x40 + (b - 0x80) - 0x800
  local low = (c - 0x80) * 0x40 + (d - 0x80) - 0xC00
  return M.encode(0x10000 + high * 0x400 + low)
end

-- Joins surrogates that `encode` made; a lone one becomes U+FFFD.
function M.mend_surrogates(text)
  if not find(text, "\237[\160-\191]") then
    return text
  end
  text = gsub(text, "\237[\160-\175][\128-\191]\237[\176-\191][\128-\191]", join_surrogates)
  return (gsub(text, "\237[\160-\191][\128-\191]", "\239\191\189"))
end

-- How many octets the well-formed sequence at `at` has; 0 where there is none.
local function sequence(text, at)
  local lead = byte(text, at)
  local size = lead < 0x80 and 1 or lead < 0xC2 and 0 or lead < 0xE0 and 2 or lead < 0xF0 and 3 or lead < 0xF5 and 4 or 0
  if size > 1 and not M.is_utf8(string.sub(text, at, at + size - 1)) then
    return 0
  end
  return size
end

-- The text of octets, bad ones as \xNN: what Python's "backslashreplace" gives.
function M.lossless(octets)
  if M.is_utf8(octets) then
    return octets
  end
  local parts, from, at = {}, 1, 1
  while true do
    at = find(octets, "[\128-\255]", at)
    if not at then
      break
    end
    local size = sequence(octets, at)
    if size == 0 then
      parts[#parts + 1] = string.sub(octets, from, at - 1)
      parts[#parts + 1] = format("\\x%02x", byte(octets, at))
      at = at + 1
      from = at
    else
      at = at + size
    end
  end
  parts[#parts + 1] = string.sub(octets, from)
  return table.concat(parts)
end

-- The first `count` characters of UTF-8 text, and whether that is not all.
function M.first(text, count)
  if #text <= count then
    return text, false
  end
  local at = count + 1
  local seen = 0
  if find(text, "[\128-\255]") then
    at = 1
    while at <= #text and seen < count do
      local lead = byte(text, at)
      at = at + (lead < 0x80 and 1 or lead < 0xE0 and 2 or lead < 0xF0 and 3 or 4)
      seen = seen + 1
    end
  end
  return string.sub(text, 1, at - 1), at <= #text
end

-- How many characters UTF-8 text has.
function M.length(text)
  local _, continuation = gsub(text, "[\128-\191]", "")
  return #text - continuation
end

return M
