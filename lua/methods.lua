-- Payloads of method and content header frames (AMQP 0-9-1, clauses 4.2.4 and 4.2.6.1), by the tables of the specification.

local tables = need("tables")
local fieldtable = need("fieldtable")
local utf8text = need("utf8text")

local M = {}

local byte, find, sub = string.byte, string.find, string.sub
local u16, u32 = fieldtable.u16, fieldtable.u32
local METHODS, PROPERTIES = tables.methods, tables.properties

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
  row.readers = {}
  for index, kind in ipairs(row.kinds) do
    row.readers[index] = READERS[kind] or false
  end
end

-- Decodes the method in `data` from `at` up to `stop`, exclusive: a table with its arguments by name, and `name` and `key`
-- (class * 65536 + method) for itself. Nil where it is unknown or does not end exactly there.
function M.method(data, at, stop)
  if at + 4 > stop then
    return nil
  end
  local a, b, c, d = byte(data, at, at + 3)
  local key = ((a * 256 + b) * 256 + c) * 256 + d
  local row = METHODS[key]
  if not row then
    return nil
  end
  at = at + 4
  local method = { name = row.name, key = key }
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

local memo, memo_entries = {}, 0

-- The body size and the properties of a content header's payload; nil where it is none. The properties are shared by
-- messages that have the same octets: take them as read-only.
function M.content_header(data, at, stop)
  if at + 12 > stop or u16(data, at) ~= tables.content_class or u16(data, at + 2) ~= 0 then
    return nil
  end
  local body_size = u32(data, at + 4) * 4294967296 + u32(data, at + 8)
  local octets = stop - at <= tables.limits.PROPERTIES_MEMO_BYTES and sub(data, at + 12, stop - 1)
  local properties = octets and memo[octets]
  if not properties then
    properties = read_properties(data, at + 12, stop)
    if not properties then
      return nil
    end
    if octets then
      if memo_entries >= tables.limits.PROPERTIES_MEMO_ENTRIES then
        memo, memo_entries = {}, 0
      end
      memo[octets], memo_entries = properties, memo_entries + 1
    end
  end
  return body_size, properties
end

return M
