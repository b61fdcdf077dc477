-- The names of what must not be shown, by the tables of osloshark: matched in any case, with any sign or none between
-- their words.

local tables = need("tables")
local tokens = need("masktokens")

local M = {}

local find, lower = string.find, string.lower
local STEMS = tables.secrets.stems

-- Few parts of which every name of a secret holds one: nearly no text holds any.
local PARTS = tables.secrets.parts

-- Tells whether a text in lower case may hold a name of a secret: never false where it does; quick.
function M.mentions_secret(text)
  for index = 1, #PARTS do
    local part = PARTS[index]
    if find(text, part[1], 1, true) and (not part[2] or find(text, part[2], 1, true)) then
      return true
    end
  end
  return false
end

-- Whether `pass` at `at` is a word of a name: not that of bypass, compass, surpass, trespass, passive.
local function is_pass(text, at)
  if find(text, "^%l", at + 4) then
    return false
  end
  for _, before in ipairs(tables.secrets.not_before_pass) do
    if at > #before and string.sub(text, at - #before, at - 1) == before then
      return false
    end
  end
  return true
end

-- The next `pass` that is a word, from `from` on.
function M.find_pass(text, from)
  local at = find(text, "pass", from, true)
  while at and not is_pass(text, at) do
    at = find(text, "pass", at + 1, true)
  end
  return at
end

-- Tells whether a key names a secret: whether any of the stems is a part of it, or it ends with `pass`.
function M.names_secret(key)
  local text = lower(tokens.fold(key))
  if not M.mentions_secret(text) then
    return false
  end
  for index = 1, #STEMS do
    if find(text, STEMS[index]) then
      return true
    end
  end
  return M.find_pass(text, 1) ~= nil
end

return M
