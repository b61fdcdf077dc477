-- The shapes in which names and values of secrets stand in free text: what leads from one to the other.
--
-- Each function takes a text and where to look, and gives the index behind what it found, or nil. None looks further than
-- a bounded number of characters ahead of what it takes, so that no text makes the search quadratic.

local M = {}

local byte, find, sub = string.byte, string.find, string.sub

M.SPACE = " \t-\r\28-\31"
M.WORD = "%w_\128-\255"
local SPACES, BLANKS = "^[" .. M.SPACE .. "]+", "^[ \t]+"

-- Behind at most `most` characters of those that a pattern, "^[…]+", takes.
local function run(text, at, pattern, most)
  local _, stop = find(sub(text, at, at + most - 1), pattern)
  return at + (stop or 0)
end
M.run = run

function M.spaces(text, at, most)
  return run(text, at, SPACES, most)
end

-- \\*["']: a quote, and the backslashes before it.
local function quoted(text, at)
  local _, stop = find(text, "^\\*[\"']", at)
  return stop and stop + 1
end
M.quoted = quoted

-- \\*["']?
local function maybe_quoted(text, at)
  local _, stop = find(text, "^\\*[\"']?", at)
  return stop + 1
end

local function any(text, at, marks)
  for index = 1, #marks do
    local mark = marks[index]
    if sub(text, at, at + #mark - 1) == mark then
      return at + #mark
    end
  end
  return nil
end

-- From a name to its value: password=   ['password'] =   password:   password%3D   'password': "
local function to(text, at)
  local behind = maybe_quoted(text, at)
  if byte(text, behind) == 93 then
    behind = behind + 1
  end
  local mark = any(text, M.spaces(text, behind, 32), { "=>", ":=", "==", "=" })
  if mark then
    return M.spaces(text, mark, 32)
  end
  local colon = run(text, behind, BLANKS, 32)
  if byte(text, colon) == 58 then
    return run(text, colon + 1, BLANKS, 32)
  end
  if find(text, "^%%3d", behind) then
    return find(text, "^%%2[27]", behind + 3) and behind + 6 or behind + 3
  end
  local quote = quoted(text, at)
  if quote then
    local stop = M.spaces(text, quote, 32)
    if byte(text, stop) == 58 then
      return M.spaces(text, stop + 1, 32)
    end
  end
  return nil
end
M.to = to

-- 'password', 'value': '
local function pair(text, at)
  local p = M.spaces(text, maybe_quoted(text, at), 8)
  local mark = byte(text, p)
  if mark == 44 or mark == 59 then
    p = p + 1
  else
    local _, tag = find(sub(text, p, p + 34), "^</[" .. M.WORD .. "]+>")
    if tag and tag <= 35 then
      p = p + tag
    end
  end
  p = M.spaces(text, p, 8)
  if byte(text, p) == 60 then
    p = p + 1
  end
  local quote = quoted(text, byte(text, p) == 117 and p + 1 or p)
  p = quote or p
  local prefixed = any(text, p, { "new_", "new", "old_", "old" })
  local value = prefixed and any(text, prefixed, { "values", "value", "vals", "val" })
    or any(text, p, { "values", "value", "vals", "val" })
  if not value then
    return nil
  end
  local stop = any(text, M.spaces(text, maybe_quoted(text, value), 8), { "=>", ":", "=", ">" })
  return stop and M.spaces(text, stop, 8)
end

local function comma(text, at)
  local quote = quoted(text, at)
  local p = quote and M.spaces(text, quote, 32)
  if p and byte(text, p) == 44 then
    return M.spaces(text, p + 1, 32)
  end
  return nil
end

local function is_quote_next(text, at)
  return quoted(text, find(text, "^[bu]", at) and at + 1 or at) ~= nil
end

-- 'password', '-v', '
local function list(text, at)
  local p = comma(text, at)
  p = p and quoted(text, p)
  if not p then
    return nil
  end
  local _, dashes = find(text, "^%-%-?", p)
  if not dashes then
    return nil
  end
  local option = run(text, dashes + 1, "^[" .. M.WORD .. "]+", 32)
  p = option > dashes + 1 and comma(text, option)
  return p and is_quote_next(text, p) and p or nil
end

-- ('password', '
local function following(text, at)
  local p = comma(text, at)
  return p and is_quote_next(text, p) and p or nil
end

-- What leads from a name, which ends before `at`, to its value: which shape, and where the value begins.
function M.lead(text, at)
  local behind = pair(text, at)
  if behind then
    return "pair", behind
  end
  behind = list(text, at)
  if behind then
    return "list", behind
  end
  behind = to(text, at)
  if behind then
    return "to", behind
  end
  behind = following(text, at)
  if behind then
    return "next", behind
  end
  behind = M.spaces(text, at, 32)
  if behind > at and quoted(text, behind) then
    return "quoted", behind
  end
  if byte(text, at) == 62 then
    return "tag", at + 1
  end
  local quote = quoted(text, at)
  local words = quote and byte(text, quote) == 44 and quote + 1 or at
  behind = M.spaces(text, words, 32)
  if behind > words and behind <= #text and not find(text, "^[" .. M.SPACE .. "]", behind) then
    return "words", behind
  end
  return nil
end

-- An option between a name and its value: node.session.auth.password -v secret
function M.option(text, at)
  local _, letter = find(text, "^%-%-?%a", at)
  if not letter then
    return nil
  end
  local stop = run(text, letter + 1, "^[%a_%-]+", 64)
  if byte(text, stop) == 61 then
    return stop + 1
  end
  local behind = M.spaces(text, stop, 32)
  if behind > stop then
    return behind
  end
  return find(text, "^[" .. M.WORD .. "]", letter + 1) and letter + 1 or nil
end

-- A quote that opens a string, with its prefix: the quote, and the index behind it.
function M.opening_quote(text, at)
  local _, prefix = find(sub(text, at, at + 1), "^[bBrRuUfF]*")
  local begin = at + prefix
  local _, stop = find(text, "^\\*", begin)
  local mark = sub(text, stop + 1, stop + 1)
  if mark ~= '"' and mark ~= "'" then
    return nil
  end
  local triple = string.rep(mark, 3)
  stop = sub(text, stop + 1, stop + 3) == triple and stop + 3 or stop + 1
  return sub(text, begin, stop), stop + 1
end

-- A value without quotes; a quote before a letter is part of it.
function M.bare(text, at)
  local function word(from)
    local p = from
    while true do
      local _, stop = find(text, "^[^'\"" .. M.SPACE .. "]+", p)
      p = stop and stop + 1 or p
      if not find(text, "^[\"'][" .. M.WORD .. "]", p) then
        return p > from and p or nil
      end
      p = p + 1
    end
  end
  local scheme = any(string.lower(sub(text, at, at + 6)), 1, { "basic", "bearer", "digest", "token" })
  if scheme then
    local _, blanks = find(text, BLANKS, at + scheme - 1)
    local stop = blanks and word(blanks + 1)
    if stop then
      return stop
    end
  end
  return word(at)
end

-- A YAML block scalar; line breaks may be written \n.
function M.block(text, at)
  local _, head = find(text, "^[|>][+%-%d]?[+%-%d]?[ \t]*", at)
  local function line_break(p)
    if byte(text, p) == 10 then
      return p + 1
    elseif sub(text, p, p + 1) == "\\n" then
      return p + 2
    end
    return nil
  end
  local function line(p)
    while true do
      local stop = find(text, "[\n\\]", p)
      if not stop then
        return #text + 1
      elseif byte(text, stop) == 10 or byte(text, stop + 1) == 110 then
        return stop
      end
      p = stop + 1
    end
  end
  local p = head and line_break(head + 1)
  if not p then
    return nil
  end
  local _, blanks = find(text, BLANKS, p)
  if not blanks then
    return p
  end
  local indent = sub(text, p, blanks)
  p = line(blanks + 1)
  while true do
    local behind = line_break(p)
    if not behind then
      return p
    end
    p = behind
    if sub(text, p, p + #indent - 1) == indent then
      p = line(p + #indent)
    end
  end
end

return M
