-- JSON written compactly, and where each part of it stands. The values are those of `json`.

local M = {}

local byte, find, gsub = string.byte, string.find, string.gsub

local NULL = {}
M.NULL = NULL

local CONTROLS = { ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

local function escape_control(mark)
  return CONTROLS[mark] or string.format("\\u%04x", byte(mark))
end

-- A string in JSON, quotes and all.
function M.quote(text)
  if not find(text, '[%z\1-\31"\\]') then
    return '"' .. text .. '"'
  end
  return '"' .. gsub(text, '[%z\1-\31"\\]', escape_control) .. '"'
end

-- Appends the pieces of a value's JSON to `out` (a list), beginning at `offset`; gives the offset behind it. Where `spans` is
-- a table, it learns for each array and object the offsets of its members: spans[container][index or key] = {begin, end}.
local function encode_into(out, value, offset, spans)
  local kind = type(value)
  local text
  if kind == "string" then
    text = M.quote(value)
  elseif kind == "number" then
    text = string.format("%d", value)
  elseif kind == "boolean" then
    text = tostring(value)
  elseif value == NULL then
    text = "null"
  elseif value.num then
    text = value.num
  end
  if text then
    out[#out + 1] = text
    return offset + #text
  end
  local own = spans and {}
  if own then
    spans[value] = own
  end
  if value.keys then
    out[#out + 1] = "{"
    offset = offset + 1
    for index, key in ipairs(value.keys) do
      local name = (index > 1 and "," or "") .. M.quote(key) .. ":"
      out[#out + 1] = name
      local begin = offset + (index > 1 and 1 or 0)
      offset = encode_into(out, value.vals[key], offset + #name, spans)
      if own then
        own[key] = { begin, offset }
      end
    end
    out[#out + 1] = "}"
    return offset + 1
  end
  out[#out + 1] = "["
  offset = offset + 1
  for index = 1, value.n do
    if index > 1 then
      out[#out + 1] = ","
      offset = offset + 1
    end
    local begin = offset
    offset = encode_into(out, value[index], offset, spans)
    if own then
      own[index] = { begin, offset }
    end
  end
  out[#out + 1] = "]"
  return offset + 1
end

-- Encodes a value compactly; with `spans` as above, offsets counted from 0.
function M.encode(value, spans)
  local out = {}
  encode_into(out, value, 0, spans)
  return table.concat(out)
end

return M
