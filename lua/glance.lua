-- What an oslo message is at a glance: its members at the top, where one regular expression knows all of it for JSON.
--
-- Wireshark brings PCRE2 into Lua, whose subroutines can say a grammar, and with its compiler to machine code one look takes a
-- hundredth of the time that `json` needs for a decode of the whole. The grammar here is `json`'s, with less liberty: text is
-- ASCII, spaces stand where json.dumps puts them. What it does not know is left to `json`; so is all where there is no PCRE2.

local tables = need("tables")
local json = need("json")

local M = {}

local find, sub = string.find, string.sub
local DEPTH = tables.limits.JSON_DEPTH

-- What stands for a value of which only is known that it is not null.
M.OTHER = 0

-- Members that are strings, true, false or null where the message is one of oslo.messaging's.
local NAMES = {
  "method", "namespace", "version", "_msg_id", "_reply_q", "_unique_id", "failure", "ending", "event_type", "publisher_id",
  "priority", "message_id", "_context_request_id",
}
-- The member that may be anything, and those that an envelope has.
local RESULT, ENVELOPE = "result", "oslo\\.version|oslo\\.message"

local PLAIN_CHARS = "[ !#-\\[\\]-~]"
local NUMBER = "-?(?:0|[1-9]\\d*+)(?:\\.\\d++)?+(?:[eE][+-]?\\d++)?+"
local WORDS = "null|true|false|NaN|-?Infinity"

-- The expression for a message: what stands before and behind its object, and how quotes and escapes are written in it. Below
-- the object values of each depth are a subroutine of their own, so that nothing is taken which is nested too deeply.
local function expression(before, behind, quote, escape)
  local value = "(?&depth" .. DEPTH - 1 .. ")"
  local members = {}
  for index, name in ipairs(NAMES) do
    members[index] = quote .. name .. quote .. ": ?((?&string)|null|true|false)"
  end
  members[#members + 1] = quote .. RESULT .. quote .. ": ?(?=(.))" .. value
  local known = table.concat(NAMES, "|") .. "|" .. RESULT .. "|" .. ENVELOPE
  members[#members + 1] = quote .. "(?!(?:" .. known .. ")" .. quote .. ")" .. PLAIN_CHARS .. "*+" .. quote .. ": ?" .. value
  local parts = {
    "^", before, "\\{(?:(?:", table.concat(members, "|"), ")(?:, ?(?=", quote, ")|(?=\\})))++\\}", behind, "\\z",
    "(?(DEFINE)(?<string>", quote, "(?:", PLAIN_CHARS, "++|", escape, ")*+", quote, ")",
    "(?<depth0>(?&string)|", NUMBER, "|", WORDS, ")",
  }
  for depth = 1, DEPTH - 1 do
    local inner = "(?&depth" .. depth - 1 .. ")"
    local member = "(?&string): ?" .. inner
    parts[#parts + 1] = "(?<depth" .. depth .. ">(?&depth0)|\\{(?:" .. member .. "(?:, ?" .. member .. ")*+)?+\\}|\\[(?:"
      .. inner .. "(?:, ?" .. inner .. ")*+)?+\\])"
  end
  return table.concat(parts) .. ")"
end

local HEX = "u[0-9a-fA-F]{4}"
-- A message by itself, and in an envelope: within a string of another JSON text, where each escape is escaped again.
local WAYS = {
  { before = "()", behind = "", quote = '"', escape = '\\\\(?:[bfnrt/"\\\\]|' .. HEX .. ")", is_within = false },
  {
    before = '\\{"oslo\\.version": "([\\d.]*+)", "oslo\\.message": "', behind = '"\\}', quote = '\\\\"',
    escape = '\\\\\\\\(?:[bfnrt/]|\\\\"|\\\\\\\\|' .. HEX .. ")", is_within = true,
  },
}
for _, way in ipairs(WAYS) do
  if rex_pcre2 then
    local is_compiled, pattern = pcall(rex_pcre2.new, expression(way.before, way.behind, way.quote, way.escape))
    if is_compiled then
      way.pattern = pattern
      pcall(pattern.jit_compile, pattern) -- not on every processor
    end
  end
end

local WORDS_OF = { null = json.NULL, ["true"] = true, ["false"] = false }

-- The value of a member as it is written.
local function value_of(written, is_within)
  local word = WORDS_OF[written]
  if word ~= nil then
    return word
  end
  local at = is_within and 3 or 2
  local inside = sub(written, at, -at)
  if not find(inside, "\\", 1, true) then
    return inside
  end
  return json.decode(is_within and json.decode('"' .. written .. '"') or written)
end

local function read(way, is_whole, first, _, version, ...)
  if not is_whole or not first then
    return nil
  end
  local vals = {}
  for index = 1, #NAMES do
    local written = select(index, ...)
    if written then
      vals[NAMES[index]] = value_of(written, way.is_within)
    end
  end
  local result = select(#NAMES + 1, ...)
  if result then
    vals[RESULT] = result == "n" and json.NULL or M.OTHER
  end
  return vals, way.is_within and version or nil
end

-- Members at the top of the message in a body, those that tell what it is, and the version of its envelope, or nil of one
-- without. Nil where a closer look is needed.
function M.members(body)
  local way = WAYS[find(body, '^{"oslo%.version": ') and 2 or 1]
  if not way.pattern then
    return nil
  end
  -- It raises an error where it would take too much of the stack.
  return read(way, pcall(way.pattern.find, way.pattern, body))
end

return M
