-- Undoes zlib, by Wireshark.

local tables = need("tables")

local M = {}

local LIMITS = tables.limits
local byte, char, floor, find = string.byte, string.char, math.floor, string.find
local METHODS = { "uncompress_zlib", "uncompress" } -- Wireshark 4.4 and later; before that

-- Which method this version has.
local function method_of(range)
  for _, name in ipairs(METHODS) do
    local found, method = pcall(function()
      return range[name]
    end)
    if found and method then
      return method
    end
  end
  return nil
end

-- The octets of a number, the least first.
local function u32_octets(number)
  local octets = {}
  for index = 1, 4 do
    octets[index] = number % 256
    number = floor(number / 256)
  end
  return char(octets[1], octets[2], octets[3], octets[4])
end

-- Adler-32 (RFC 1950, clause 8.2).
local function adler32(octets)
  local a, b = 1, 0
  for first = 1, #octets, 2048 do
    for at = first, math.min(first + 2047, #octets) do
      a = a + byte(octets, at)
      b = b + a
    end
    a, b = a % 65521, b % 65521
  end
  return b * 65536 + a
end

local crc_table

local function crc_row(row)
  for _ = 1, 8 do
    local is_odd = bit.band(row, 1) == 1
    row = bit.rshift(row, 1)
    if is_odd then
      row = bit.bxor(row, 0xEDB88320)
    end
  end
  return row
end

-- CRC-32 (RFC 1952, clause 8), by Wireshark's library of bit operations: those of Lua 5.4 are syntax that 5.2 does not know.
local function crc32(octets)
  if not crc_table then
    crc_table = {}
    for index = 0, 255 do
      crc_table[index] = crc_row(index)
    end
  end
  local bxor, band, rshift, crc = bit.bxor, bit.band, bit.rshift, -1
  for at = 1, #octets do
    crc = bxor(crc_table[band(bxor(crc, byte(octets, at)), 255)], rshift(crc, 8))
  end
  return bxor(crc, -1) % 4294967296
end

-- Whether the end of a stream that says what it holds is there: Wireshark gives of a damaged one what comes before the fault.
-- Of gzip (RFC 1952, clause 2.3.1) it is checksum and size, or only the size where the checksum takes too long; of zlib the
-- checksum. More octets may follow.
local function has_end(octets, plain)
  if byte(octets, 1) == 31 and byte(octets, 2) == 139 then
    local checksum = #plain <= LIMITS.PLUGIN_CHECKED_BYTES and u32_octets(crc32(plain)) or ""
    return find(octets, checksum .. u32_octets(#plain % 4294967296), 11, true) ~= nil
  end
  return find(octets, string.reverse(u32_octets(adler32(plain))), 3, true) ~= nil
end

-- The octets of a zlib or gzip stream, while a packet is dissected; nil where it is none or is cut short. The caller bounds
-- how many octets go in, and with that how many come out.
function M.zlib(octets)
  if #octets == 0 then
    return nil
  end
  local range = ByteArray.new(octets, true):tvb("Compressed body"):range()
  local method = method_of(range)
  local is_whole, plain = pcall(method or error, range, "Decompressed body")
  if not is_whole or not plain then
    return nil
  end
  local text = plain:raw()
  return has_end(octets, text) and text or nil
end

return M
