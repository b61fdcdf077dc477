-- Field tables: headers, the peers' properties (AMQP 0-9-1, clause 4.2.5.5), as values of `json`.
--
-- Octets that are no UTF-8 become text with the bad ones as \xNN, decimals become text, and so do the numbers that JSON
-- cannot say. Every reader gives the value and the index behind it, or nil where the octets are no such value.

local tables = need("tables")
local json = need("json")
local utf8text = need("utf8text")

local M = {}

local byte, sub, format = string.byte, string.sub, string.format
local floor = math.floor
local TYPES = tables.field_types

function M.u16(data, at)
  local a, b = byte(data, at, at + 1)
  return a * 256 + b
end

local function u32(data, at)
  local a, b, c, d = byte(data, at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end
M.u32 = u32

-- An integer of 64 bits, given as two of 32, in decimal digits.
local function digits64(high, low)
  if high < 0x200000 then
    return format("%.0f", high * 4294967296 + low)
  end
  local parts = { floor(high / 65536), high % 65536, floor(low / 65536), low % 65536 }
  local out = {}
  repeat
    local rest, is_zero = 0, true
    for index = 1, 4 do
      local value = rest * 65536 + parts[index]
      parts[index], rest = floor(value / 10000), value % 10000
      is_zero = is_zero and parts[index] == 0
    end
    table.insert(out, 1, format(is_zero and "%d" or "%04d", rest))
  until is_zero
  return table.concat(out)
end
M.digits64 = digits64

local function integer(text)
  if #text <= 15 then
    return tonumber(text)
  end
  return { num = text }
end

local function u64(data, at)
  return integer(digits64(u32(data, at), u32(data, at + 4)))
end

local function i64(data, at)
  local high, low = u32(data, at), u32(data, at + 4)
  if high < 0x80000000 then
    return integer(digits64(high, low))
  end
  low = 4294967296 - low
  high = 4294967295 - high
  if low == 4294967296 then
    low, high = 0, high + 1
  end
  return integer("-" .. digits64(high, low))
end

local function signed(value, bits)
  return value >= 2 ^ (bits - 1) and value - 2 ^ bits or value
end

local function number(value)
  if value ~= value then
    return "NaN"
  elseif value == math.huge or value == -math.huge then
    return value > 0 and "Infinity" or "-Infinity"
  end
  local text = format("%.17g", value)
  return { num = text:find("[%.e]") and text or text .. ".0" }
end

-- IEEE 754, by its parts: sign, exponent, and the fraction as a number below 1.
local function ieee(sign, exponent, fraction, bias, most)
  local value
  if exponent == most then
    value = fraction == 0 and math.huge or 0 / 0
  elseif exponent == 0 then
    value = fraction * 2 ^ (1 - bias)
  else
    value = (1 + fraction) * 2 ^ (exponent - bias)
  end
  return number(sign == 1 and -value or value)
end

local function float(data, at)
  local bits = u32(data, at)
  return ieee(floor(bits / 2147483648), floor(bits / 8388608) % 256, bits % 8388608 / 8388608, 127, 255)
end

local function double(data, at)
  local high, low = u32(data, at), u32(data, at + 4)
  local fraction = (high % 1048576 * 4294967296 + low) / 4503599627370496
  return ieee(floor(high / 2147483648), floor(high / 1048576) % 2048, fraction, 1023, 2047)
end

-- As Python writes Decimal(f"{unscaled}E-{scale}").
local function decimal(scale, unscaled)
  local sign, digits = unscaled < 0 and "-" or "", format("%.0f", math.abs(unscaled))
  local exponent = -scale
  local adjusted = exponent + #digits - 1
  if exponent <= 0 and adjusted >= -6 then
    if scale == 0 then
      return sign .. digits
    end
    digits = string.rep("0", scale + 1 - #digits) .. digits
    return sign .. sub(digits, 1, #digits - scale) .. "." .. sub(digits, #digits - scale + 1)
  end
  local rest = #digits > 1 and "." .. sub(digits, 2) or ""
  return sign .. sub(digits, 1, 1) .. rest .. "E" .. format("%+d", adjusted)
end

local FIXED = {
  bool = { 1, function(data, at) return byte(data, at) ~= 0 end },
  int8 = { 1, function(data, at) return signed(byte(data, at), 8) end },
  uint8 = { 1, byte },
  int16 = { 2, function(data, at) return signed(M.u16(data, at), 16) end },
  uint16 = { 2, M.u16 },
  int32 = { 4, function(data, at) return signed(u32(data, at), 32) end },
  uint32 = { 4, u32 },
  int64 = { 8, i64 },
  timestamp = { 8, u64 },
  float = { 4, float },
  double = { 8, double },
  decimal = { 5, function(data, at) return decimal(byte(data, at), signed(u32(data, at + 1), 32)) end },
}

local read_items

local function read_value(data, at, stop, depth, left)
  left[1] = left[1] - 1
  local kind = at < stop and TYPES[sub(data, at, at)]
  if not kind or left[1] < 0 then
    return nil
  end
  at = at + 1
  local fixed = FIXED[kind]
  if fixed then
    if at + fixed[1] > stop then
      return nil
    end
    return fixed[2](data, at), at + fixed[1]
  elseif kind == "void" then
    return json.NULL, at
  end
  if at + 4 > stop then
    return nil
  end
  local behind = at + 4 + u32(data, at)
  at = at + 4
  if behind > stop then
    return nil
  elseif kind == "longstr" or kind == "bytes" then
    return utf8text.lossless(sub(data, at, behind - 1)), behind
  elseif depth <= 1 then
    return nil
  elseif kind == "table" then
    return read_items(data, at, behind, depth - 1, left), behind
  end
  local array, count = {}, 0
  while at < behind do
    local item
    item, at = read_value(data, at, behind, depth - 1, left)
    if item == nil then
      return nil
    end
    count = count + 1
    array[count] = item
  end
  array.n = count
  return array, behind
end

read_items = function(data, at, stop, depth, left)
  local keys, vals = {}, {}
  while at < stop do
    local behind = at + 1 + byte(data, at)
    if behind > stop then
      return nil
    end
    local name = utf8text.lossless(sub(data, at + 1, behind - 1))
    local value
    value, at = read_value(data, behind, stop, depth, left)
    if value == nil then
      return nil
    end
    if vals[name] == nil then
      keys[#keys + 1] = name
    end
    vals[name] = value
  end
  return { keys = keys, vals = vals }
end

-- The table whose length is at `at`; `stop` is the index behind what there is.
function M.read_table(data, at, stop)
  if at + 4 > stop then
    return nil
  end
  local behind = at + 4 + u32(data, at)
  if behind > stop then
    return nil
  end
  return read_items(data, at + 4, behind, tables.limits.FIELD_TABLE_DEPTH, { tables.limits.FIELD_TABLE_ITEMS }), behind
end

-- The fields of a table without its length (SASL's AMQPLAIN).
function M.read_fields(data)
  return read_items(data, 1, #data + 1, tables.limits.FIELD_TABLE_DEPTH, { tables.limits.FIELD_TABLE_ITEMS })
end

return M
