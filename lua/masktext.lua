-- Secrets in free text: exception messages, tracebacks, command lines, bodies that are no JSON.

local tables = need("tables")
local secretkeys = need("secretkeys")
local shapes = need("maskshapes")
local tokens = need("masktokens")

local M = {}

local byte, find, sub, lower = string.byte, string.find, string.sub, string.lower
local STEMS, WORDS = tables.secrets.stems, tables.secrets.words
local MASK = "***"
M.MASK = MASK

local TRAILING = "[,;)%]}>]"
local NO_SECRETS = { "none", "null", "true", "false", "***" }

-- Where a word begins that tells that there is no secret: the index behind it.
local function no_secret(text, at)
  local begin = lower(sub(text, at, at + 4))
  for index = 1, #NO_SECRETS do
    local word = NO_SECRETS[index]
    if sub(begin, 1, #word) == word then
      local behind = at + #word
      if behind > #text or find(text, "^[,;)%]}&<" .. shapes.SPACE .. "]", behind) then
        return behind
      end
    end
  end
  return nil
end

local function is_no_secret(text, begin, stop)
  local value = lower(sub(text, begin, math.min(stop - 1, begin + 5)))
  for index = 1, #NO_SECRETS do
    if value == NO_SECRETS[index] then
      return true
    end
  end
  return false
end

-- The quote that closes a string, or `stop` of a text that was cut off.
local function closing_quote(text, start, quote, stop)
  stop = stop or #text + 1
  local at = find(text, quote, start, true)
  while at and at + #quote <= stop do
    local is_escaped = at > start and byte(text, at - 1) == 92
    if not is_escaped and not find(text, "^[!@#$%^*+~`(%[{" .. shapes.WORD .. "]", at + #quote) then
      return at
    end
    at = find(text, quote, at + 1, true)
  end
  return stop
end

-- The end of an object or a list in JSON's or Python's notation, or of a text that was cut off.
local function closing_bracket(text, start)
  local level, at = 0, start
  while true do
    at = find(text, "[%[%](){}\"'\\]", at)
    if not at then
      return #text + 1
    end
    local mark = sub(text, at, at)
    if find(mark, "[%[({]") then
      level, at = level + 1, at + 1
    elseif find(mark, "[%])}]") then
      level, at = level - 1, at + 1
      if level == 0 then
        return at
      end
    else
      local _, stop = find(text, "^\\*", at)
      if find(text, "^[\"']", stop + 1) then
        local quote = sub(text, at, stop + 1)
        at = math.min(closing_quote(text, stop + 2, quote) + #quote, #text + 1)
      else
        at = stop + 1
      end
    end
  end
end

-- The value that begins here: where it starts and ends, exclusive; an empty range where there is no secret.
local function one_value(text, at)
  local quote, behind = shapes.opening_quote(text, at)
  if quote then
    local stop = closing_quote(text, behind, quote)
    if is_no_secret(text, behind, stop) then
      return stop, stop
    end
    return behind, stop
  end
  if find(text, "^[{%[(]", at) then
    local stop = closing_bracket(text, at)
    if stop - at <= 2 then
      return stop, stop
    end
    local more = stop <= #text and not find(text, "^[,;)%]}>'\"]", stop) and shapes.bare(text, stop)
    return at, more or stop
  end
  if no_secret(text, at) then
    return at, at
  end
  local block = find(text, "^[|>]", at) and shapes.block(text, at)
  if block then
    while block > at and byte(text, block - 1) == 10 do
      block = block - 1
    end
    return at, block
  end
  local stop = shapes.bare(text, at)
  if not stop then
    return at, at
  end
  while stop > at + 1 and find(text, "^" .. TRAILING, stop - 1) do
    stop = stop - 1
  end
  return at, stop
end

-- The next name of a secret from `from` on: where it begins, and the indexes behind the stems that match there. `hits` keeps
-- where each stem stands next.
local function next_name(text, from, hits)
  local first
  for index = 1, #STEMS + 1 do
    local hit = hits[index]
    if hit and hit < from then
      if index > #STEMS then
        hit = secretkeys.find_pass(text, from)
      else
        hit = find(text, WORDS[index], from, true)
        while hit and not find(text, "^" .. STEMS[index], hit) do
          hit = find(text, WORDS[index], hit + 1, true)
        end
      end
      hits[index] = hit or false
    end
    if hit and (not first or hit < first) then
      first = hit
    end
  end
  return first
end

-- The index behind the name whose stem ends before `at`: with up to 64 more signs of it.
local function name_end(text, at)
  local left = 64
  while left > 0 do
    local stop = shapes.run(text, at, "^[%-." .. shapes.WORD .. "]+", left)
    left, at = left - (stop - at), stop
    local _, bracket = find(sub(text, at, at + 17), "^%[[" .. shapes.WORD .. "]*%]")
    if left <= 0 or not bracket then
      break
    end
    left, at = left - 1, at + bracket
  end
  return at
end

-- The shape that follows the name which begins at `at`: where the name ends, the shape, where its value begins.
local function lead_of(text, at, hits)
  local tried = {}
  for index = 1, #STEMS + 1 do
    if hits[index] == at then
      local _, stop
      if index > #STEMS then
        stop = at + 3
      else
        _, stop = find(text, "^" .. STEMS[index], at)
      end
      local behind = name_end(text, stop + 1)
      if not tried[behind] then
        tried[behind] = true
        local shape, begin = shapes.lead(text, behind)
        if shape then
          return behind, shape, begin
        end
      end
    end
  end
  return nil
end

local function fresh_hits()
  local hits = {}
  for index = 1, #STEMS + 1 do
    hits[index] = 0
  end
  return hits
end

-- What stands where a value is expected and is the name of another (`--password token: secret`): the index behind it.
local function name_for_value(text, at)
  local begin = at
  local _, prefix = find(sub(text, at, at + 1), "^[bruf]*")
  local quote = shapes.quoted(text, at + prefix) or shapes.quoted(text, at)
  begin = quote or begin
  local reach = shapes.run(text, begin, "^[%-." .. shapes.WORD .. "]+", 64)
  local window = sub(text, begin, reach + 96)
  local hits, from = fresh_hits(), 1
  while true do
    local hit = next_name(window, from, hits)
    if not hit or begin + hit - 1 > reach then
      return nil
    end
    for index = 1, #STEMS + 1 do
      if hits[index] == hit then
        local _, stop
        if index > #STEMS then
          stop = hit + 3
        else
          _, stop = find(window, "^" .. STEMS[index], hit)
        end
        local behind = shapes.to(text, name_end(text, begin + stop))
        if behind then
          return behind
        end
      end
    end
    from = hit + 1
  end
end

-- As `one_value`; where a name and its value stand in its place, both.
local function value(text, low, at)
  local begin, stop = one_value(text, at)
  if not secretkeys.mentions_secret(sub(low, at, stop - 1)) then
    return begin, stop
  end
  local behind = at
  while true do
    local name = name_for_value(low, behind)
    if not name then
      break
    end
    behind = name
  end
  if behind > at then
    local _, last = one_value(text, behind)
    return at, math.max(behind, stop, last)
  end
  return begin, stop
end

-- The value of an HTTP header: up to the end of its line, or to the quote like the one before its name.
local function header(text, begin, at)
  local stop = find(text, "[\r\n]", at) or #text + 1
  local escaped = find(sub(text, at, stop - 1), "\\[rn]")
  stop = escaped and at + escaped - 1 or stop
  local quote = string.match(sub(text, math.max(begin - 68, 1), begin - 1), "([\"'])[%-" .. shapes.WORD .. "]*$")
  if quote then
    stop = closing_quote(text, at, quote, stop)
  end
  if is_no_secret(text, at, stop) then
    return stop, stop
  end
  return at, stop
end

-- The name of the XML element in whose tag a name stands, with a slash before it in a closing one.
local function element_of(text, begin, behind)
  local from = math.max(begin - 64, 1)
  local open = string.match(sub(text, from, begin - 1), ".*()<")
  local name = open and sub(text, from + open, behind - 1)
  if not name or find(name, "[<>" .. shapes.SPACE .. "]") then
    return nil
  end
  return name
end

-- The content of an XML element, whose tag ends here.
local function content(text, element, at)
  if byte(element, 1) == 47 or byte(text, at - 2) == 47 then -- <password/>
    return at, at
  end
  local stop = find(text, "</" .. element, at, true) or #text + 1
  if is_no_secret(text, at, stop) then
    return stop, stop
  end
  return at, stop
end

-- The value that belongs to a name: where it starts and ends; nil where what follows the name is no value.
local function value_of(text, low, begin, behind, shape, at)
  local element = element_of(text, begin, behind)
  if shape == "tag" then
    if not element then
      return value(text, low, at)
    end
    return content(text, element, at)
  end
  if element and find(text, "^[" .. shapes.SPACE .. "]", behind) then
    local _, attributes = find(sub(text, behind, behind + 257), "^.[^<>]*>")
    if attributes then
      local from, stop = content(text, element, behind + attributes)
      if secretkeys.mentions_secret(sub(low, behind, behind + attributes - 1)) then
        return at, math.max(at, stop)
      end
      return from, stop
    end
  end
  if shape == "words" then
    if find(sub(text, math.max(begin - 68, 1), begin - 1), "%-%-[%-" .. shapes.WORD .. "]*$") then
      if sub(text, at, at + 1) == "--" then
        return nil
      end
    else
      at = shapes.option(text, at)
      if not at then
        return nil
      end
    end
    return value(text, low, at)
  end
  local is_header = (find(low, "^authorization[ \t]*:", begin) or find(low, "^cookie[ \t]*:", begin))
    and not (begin > 1 and find(text, "^[%w\128-\255]", begin - 1))
  if is_header and not shapes.opening_quote(text, at) then
    return header(text, begin, at)
  end
  return value(text, low, at)
end

local function mask_named(text, low)
  local parts, done, at, hits = {}, 1, 1, fresh_hits()
  while true do
    local begin = next_name(low, at, hits)
    if not begin then
      break
    end
    local behind, shape, lead = lead_of(low, begin, hits)
    local from, stop
    if behind then
      from, stop = value_of(text, low, begin, behind, shape, lead)
    end
    if from then
      parts[#parts + 1] = sub(text, done, from - 1)
      parts[#parts + 1] = stop > from and MASK or ""
      done, at = stop, math.max(stop, begin + 1)
    else
      at = behind or begin + 1
    end
  end
  parts[#parts + 1] = sub(text, done)
  return table.concat(parts)
end

local function masked(text)
  text = tokens.mask(text)
  if find(text, "[:='\">%%%-]") then
    local low = lower(text)
    if secretkeys.mentions_secret(low) then
      text = mask_named(text, low)
    end
  end
  -- Last, for what follows the word may be a name: `bearer user_data: secret`.
  return tokens.mask_bearer(text)
end

-- Puts `MASK` in the place of every secret in a free text; text that holds none is returned as it is. None, null, true,
-- false and empty strings stay: they tell that there was no secret. Of binary data that mentions one nothing is left.
function M.mask_text(text)
  if not find(text, "[^%w%-_.]") then -- ids, names, hosts, versions: nearly all
    if not find(text, "gAAAAA", 1, true) and not find(text, "eyJ", 1, true) then
      return text
    end
    return masked(text)
  end
  if find(text, "\\u", 1, true) or find(text, "[^\32-\126]") then
    local plain = tokens.plain(text)
    if plain ~= text then
      if find(text, tokens.BINARY) and secretkeys.mentions_secret(lower(plain)) then
        return MASK
      end
      local found = masked(plain)
      if found ~= plain then
        return found
      end
    end
  end
  return masked(text)
end

return M
