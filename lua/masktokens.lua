-- What tells by its form that it is a secret: tokens, keys, passwords in URLs; and what hides the name of one.

local tables = need("tables")
local utf8text = need("utf8text")
local shapes = need("maskshapes")

local M = {}

local byte, find, gsub, sub = string.byte, string.find, string.gsub, string.sub
local MASK = "***"
local TOKEN = "[%-" .. shapes.WORD .. "]"
local CEPH_KEY = "AQ" .. string.rep("[+/" .. shapes.WORD .. "]", 36) .. "=="

-- Controls that no text holds; escape is one that does: it is for colours.
M.BINARY = "[%z\1-\8\14-\26\28-\31]"

-- The compatibility form of a character, given as UTF-8, where that is a sign that names have; else itself.
local function compatible(octets)
  local a, b, c, d = byte(octets, 1, 4)
  local code
  if d then
    code = (a - 240) * 262144 + (b - 128) * 4096 + (c - 128) * 64 + d - 128
  elseif c then
    code = (a - 224) * 4096 + (b - 128) * 64 + c - 128
  else
    code = (a - 192) * 64 + b - 128
  end
  local runs = tables.compatible
  local low, high = 1, #runs
  while low <= high do
    local middle = math.floor((low + high) / 2)
    local first, count, ascii = runs[middle][1], runs[middle][2], runs[middle][3]
    if code < first then
      high = middle - 1
    elseif code >= first + count then
      low = middle + 1
    else
      return string.char(ascii + code - first)
    end
  end
  return octets
end

-- Undoes JSON's escapes of letters, with all backslashes before them.
local function unescape(text)
  local parts, done, at = {}, 1, 1
  while true do
    local escape = find(text, "\\u%x%x%x%x", at)
    if not escape then
      break
    end
    local char = utf8text.encode(tonumber(sub(text, escape + 2, escape + 5), 16))
    if #char > 1 then
      char = compatible(char)
    end
    at = escape + 6
    if find(char, "^[%w_%-]$") then
      while escape > done and byte(text, escape - 1) == 92 do
        escape = escape - 1
      end
      parts[#parts + 1] = sub(text, done, escape - 1)
      parts[#parts + 1] = char
      done = at
    end
  end
  parts[#parts + 1] = sub(text, done)
  return table.concat(parts)
end

-- Undoes compatibility forms of letters, such as full-width ones.
function M.fold(text)
  if find(text, "[\194-\244]") then
    text = gsub(text, "[\194-\244][\128-\191]+", compatible)
  end
  return text
end

-- Undoes what hides a name: compatibility forms of letters, JSON's escapes of letters, colours, NULs of UTF-16.
function M.plain(text)
  if find(text, "\\u", 1, true) then
    text = unescape(text)
  end
  if find(text, "\27", 1, true) then
    text = gsub(text, "\27%[[0-9;]*m", "")
  end
  return M.fold((gsub(text, M.BINARY, "")))
end

-- Masks JSON Web Tokens: eyJ…, with at least one part behind a dot.
local function mask_web_tokens(text)
  local parts, done, at = {}, 1, 1
  while true do
    local begin = find(text, "eyJ", at, true)
    if not begin then
      break
    end
    local _, stop = find(text, "^" .. TOKEN .. "+", begin + 3)
    at = (stop or begin + 2) + 1
    if stop and stop - begin - 2 >= 8 then
      local _, part = find(text, "^%." .. TOKEN .. "+", at)
      if part then
        for _ = 1, 3 do
          local _, more = find(text, "^%." .. TOKEN .. "*", part + 1)
          part = more or part
        end
        parts[#parts + 1] = sub(text, done, begin - 1)
        parts[#parts + 1] = MASK
        done, at = part + 1, part + 1
      end
    end
  end
  parts[#parts + 1] = sub(text, done)
  return table.concat(parts)
end

-- Masks what stands between a colon behind a URL's user and the last @ of the word.
local function mask_urls(text)
  local parts, done, at = {}, 1, 1
  while true do
    local begin = find(text, "://", at, true)
    if not begin then
      break
    end
    local user = shapes.run(text, begin + 3, "^[^/:@'\"" .. shapes.SPACE .. "]+", 256)
    at = begin + 3
    local digits = shapes.run(text, user + 1, "^%d+", 5)
    local is_port = digits > user + 1 and byte(text, digits) == 47
    if byte(text, user) == 58 and not is_port then
      local start, stop = user + 1, user + 1
      while true do
        local _, last = find(text, "^[^'\"" .. shapes.SPACE .. "]+", stop)
        stop = last and last + 1 or stop
        if not find(text, "^[\"'][" .. shapes.WORD .. "]", stop) then
          break
        end
        stop = stop + 1
      end
      local sign = string.match(sub(text, start, stop - 1), ".*()@")
      at = stop
      if sign then
        parts[#parts + 1] = sub(text, done, start - 1)
        parts[#parts + 1] = MASK
        done = start + sign - 1
        at = done
      end
    end
  end
  parts[#parts + 1] = sub(text, done)
  return table.concat(parts)
end

local function mask_private_keys(text)
  local parts, done = {}, 1
  while true do
    local begin, stop = find(text, "%-%-%-%-%-BEGIN [A-Z ]-PRIVATE KEY%-%-%-%-%-", done)
    local block, block_stop = find(text, "%-%-%-%-%-BEGIN [A-Z ]-PRIVATE KEY BLOCK%-%-%-%-%-", done)
    if block and (not begin or block < begin) then
      begin, stop = block, block_stop
    end
    if not begin then
      break
    end
    local _, behind = find(text, "%-%-%-%-%-END [A-Z ]*%-%-%-%-%-", stop + 1)
    parts[#parts + 1] = sub(text, done, begin - 1)
    parts[#parts + 1] = MASK
    done = (behind or #text) + 1
  end
  parts[#parts + 1] = sub(text, done)
  return table.concat(parts)
end

-- Masks what tells by its form that it is a secret.
function M.mask(text)
  if find(text, "gAAAAA", 1, true) then
    text = gsub(text, "gAAAAA[=%-" .. shapes.WORD .. "]*", MASK)
  end
  if find(text, "eyJ", 1, true) then
    text = mask_web_tokens(text)
  end
  if find(text, "://", 1, true) then
    text = mask_urls(text)
  end
  if find(text, "AQ", 1, true) and find(text, "==", 1, true) then
    text = gsub(text, CEPH_KEY, MASK)
  end
  if find(text, "PRIVATE KEY", 1, true) then
    text = mask_private_keys(text)
  end
  return text
end

-- Masks what follows the word `bearer`.
function M.mask_bearer(text)
  if not find(text, "[eE][aA][rR][eE][rR]") then
    return text
  end
  local value = string.rep("[.~+/=%-" .. shapes.WORD .. "]", 8) .. "[.~+/=%-" .. shapes.WORD .. "]*"
  return (gsub(text, "([bB][eE][aA][rR][eE][rR][" .. shapes.SPACE .. "]+)" .. value, "%1" .. MASK))
end

return M
