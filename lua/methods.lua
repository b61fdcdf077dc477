-- Payloads of method and content header frames (AMQP 0-9-1, clauses 4.2.4 and 4.2.6.1), by the tables of the specification.

local tables = need("tables")
local fieldtable = need("fieldtable")
local utf8text = need("utf8text")

local M = {}

local byte, find, sub = string.byte, string.find, string.sub
local u16, u32 = fieldtable.u16, fieldtable.u32
local METHODS, PROPERTIES, LIMITS = tables.methods, tables.properties, tables.limits

-- Each reader gives the value and the index behind it; nil where it would reach `stop`, the index behind the payload.
local READERS = {
  octet = function(data, at, stop)
    if at < stop then
      return byte(data, at), at + 1
    end
  end,
  short = function(data, at, stop)
    if at + 2 <= stop then
      return u16(data, at), at + 2
    end
  end,
  long = function(data, at, stop)
    if at + 4 <= stop then
      return u32(data, at), at + 4
    end
  end,
  -- A number, exact up to 2^53; what is shown is read from the octets (see `M.digits`).
  longlong = function(data, at, stop)
    if at + 8 <= stop then
      return u32(data, at) * 4294967296 + u32(data, at + 4), at + 8
    end
  end,
  timestamp = function(data, at, stop)
    if at + 8 <= stop then
      return fieldtable.digits64(u32(data, at), u32(data, at + 4)), at + 8
    end
  end,
  shortstr = function(data, at, stop)
    local behind = at < stop and at + 1 + byte(data, at)
    if behind and behind <= stop then
      local text = sub(data, at + 1, behind - 1)
      if find(text, "[\128-\255]") then
        text = utf8text.lossless(text)
      end
      return text, behind
    end
  end,
  longstr = function(data, at, stop)
    local behind = at + 4 <= stop and at + 4 + u32(data, at)
    if behind and behind <= stop then
      return sub(data, at + 4, behind - 1), behind
    end
  end,
  table = fieldtable.read_table,
}

for _, row in pairs(METHODS) do
  row.readers, row.comes_again = {}, true
  for index, kind in ipairs(row.kinds) do
    row.readers[index] = READERS[kind] or false
    -- Delivery tags make every method another.
    row.comes_again = row.comes_again and kind ~= "longlong"
  end
end

-- What was decoded last, by its octets, for much of it comes again.
local function new_memo()
  return { entries = 0, values = {} }
end

local function remember(memo, octets, value)
  if memo.entries >= LIMITS.PROPERTIES_MEMO_ENTRIES then
    memo.entries, memo.values = 0, {}
  end
  memo.values[octets], memo.entries = value, memo.entries + 1
end

local known_methods, known_properties = new_memo(), new_memo()

local function read_method(row, data, at, stop)
  -- To name as many members as nearly all methods have spares the table to grow.
  local method = { name = row.name, _1 = nil, _2 = nil, _3 = nil, _4 = nil, _5 = nil, _6 = nil, _7 = nil }
  local arguments, readers = row.arguments, row.readers
  local bits, bit = 0, 128
  for index = 1, #arguments do
    local reader = readers[index]
    if not reader then
      if bit == 128 then
        if at >= stop then
          return nil
        end
        bits, bit, at = byte(data, at), 0.5, at + 1
      end
      bit = bit * 2
      method[arguments[index]] = math.floor(bits / bit) % 2 == 1
    else
      bit = 128
      local value
      value, at = reader(data, at, stop)
      if value == nil then
        return nil
      end
      method[arguments[index]] = value
    end
  end
  if at ~= stop then
    return nil
  end
  return method
end

-- Decodes the method in `data` from `at` up to `stop`, exclusive: a table with its arguments by name, and its `name`. Nil where
-- it is unknown or does not end exactly there. Frames that have the same octets may share it: take it as read-only.
function M.method(data, at, stop)
  if at + 4 > stop then
    return nil
  end
  local a, b, c, d = byte(data, at, at + 3)
  local row = METHODS[((a * 256 + b) * 256 + c) * 256 + d]
  if not row then
    return nil
  end
  local octets = row.comes_again and stop - at <= LIMITS.PROPERTIES_MEMO_BYTES and sub(data, at, stop - 1)
  local method = octets and known_methods.values[octets]
  if not method then
    method = read_method(row, data, at + 4, stop)
    if octets and method then
      remember(known_methods, octets, method)
    end
  end
  return method
end

-- The properties in `data` from `at` up to `stop`, exclusive, by name; nil where they do not end exactly there.
local function read_properties(data, at, stop)
  if at + 2 > stop then
    return nil
  end
  local flags = u16(data, at)
  at = at + 2
  local more = flags
  while more % 2 == 1 do
    if at + 2 > stop then
      return nil
    end
    more = u16(data, at)
    at = at + 2
  end
  local properties = {}
  local flag = 32768
  for index = 1, #PROPERTIES do
    if math.floor(flags / flag) % 2 == 1 then
      local property = PROPERTIES[index]
      local value
      value, at = READERS[property.kind](data, at, stop)
      if value == nil then
        return nil
      end
      properties[property.name] = value
    end
    flag = flag / 2
  end
  if at ~= stop then
    return nil
  end
  return properties
end

-- The body size and the properties of a content header's payload; nil where it is none. The properties are shared by
-- messages that have the same octets: take them as read-only.
function M.content_header(data, at, stop)
  if at + 12 > stop or u16(data, at) ~= tables.content_class or u16(data, at + 2) ~= 0 then
    return nil
  end
  local body_size = u32(data, at + 4) * 4294967296 + u32(data, at + 8)
  local octets = stop - at <= LIMITS.PROPERTIES_MEMO_BYTES and sub(data, at + 12, stop - 1)
  local properties = octets and known_properties.values[octets]
  if not properties then
    properties = read_properties(data, at + 12, stop)
    if octets and properties then
      remember(known_properties, octets, properties)
    end
  end
  if not properties then
    return nil
  end
  return body_size, properties
end

return M
