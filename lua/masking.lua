-- Secrets in decoded values, at every depth and level of JSON within JSON.

local tables = need("tables")
local json = need("json")
local masktext = need("masktext")
local secretkeys = need("secretkeys")

local M = {}

local MASK, NULL = masktext.MASK, json.NULL
local DEPTH, NAME_CHARS = tables.limits.JSON_DEPTH, tables.limits.KEY_CACHE_CHARS
local SECRETS = tables.secrets
local lower, sub = string.lower, string.sub

-- Masks the value of a key that names a secret, unless it tells only that there is none.
local function hide(value)
  if value == NULL or type(value) == "boolean" or value == MASK or value == "" then
    return value
  elseif type(value) == "table" and (value.n == 0 or (value.keys and #value.keys == 0)) then
    return value
  end
  return MASK
end

local function is_name(text)
  return type(text) == "string" and #text <= NAME_CHARS and not string.find(text, "%s") and secretkeys.names_secret(text)
end

-- Whether an object with a key for a value also says that this is the value of a secret.
local function names_value(object)
  for _, key in ipairs(object.keys) do
    if SECRETS.name_keys[lower(key)] and is_name(object.vals[key]) then
      return true
    end
  end
  return false
end

-- What a list holds beside the name of a secret: indexes, as keys.
local function marked(items)
  local found = {}
  if items.n < 2 or type(items[1]) ~= "string" then
    return found
  end
  if items.n == 2 and is_name(items[1]) then
    found[2] = true
  elseif items.n == 3 and type(items[2]) == "string" and SECRETS.operators[lower(items[2])] and is_name(items[1]) then
    found[3] = true
  end
  for index = 1, items.n - 1 do
    local item, value = items[index], items[index + 1]
    if type(item) == "string" and sub(item, 1, 1) == "-" and not string.find(item, "=", 1, true) then
      local is_option = type(value) == "string" and sub(value, 1, 2) == "--"
      local before = items[index - 1]
      local names_next = before and is_name(before) and sub(before, 1, 1) ~= "-"
      if not is_option and (is_name(item) or names_next) then
        found[index + 1] = true
      end
    end
  end
  return found
end

-- What keys mean for masking: false for those that neither name nor hold a secret, nearly all.
local verdicts, verdict_count = {}, 0

local function judge(key)
  local found = verdicts[key]
  if found ~= nil then
    return found
  end
  local secret, is_value, shown = secretkeys.names_secret(key), SECRETS.value_keys[lower(key)], masktext.mask_text(key)
  found = (secret or is_value or shown ~= key) and { secret = secret, is_value = is_value, shown = shown } or false
  if #key <= NAME_CHARS then
    if verdict_count >= tables.limits.KEY_CACHE_ENTRIES then
      verdicts, verdict_count = {}, 0
    end
    verdicts[key], verdict_count = found, verdict_count + 1
  end
  return found
end

local mask_value

local function mask_object(object, depth)
  if depth >= DEPTH then
    return #object.keys > 0 and MASK or object
  end
  local keys, vals, is_changed = {}, {}, false
  for index, key in ipairs(object.keys) do
    local value = object.vals[key]
    local verdict = judge(key)
    local masked, shown
    if not verdict then
      masked, shown = mask_value(value, depth + 1), key
    else
      masked, shown = verdict.secret and hide(value) or mask_value(value, depth + 1), verdict.shown
      if verdict.is_value and names_value(object) then
        masked = hide(value)
      end
    end
    is_changed = is_changed or masked ~= value or shown ~= key
    keys[index] = shown
    vals[shown] = masked
  end
  return is_changed and { keys = keys, vals = vals } or object
end

local function mask_array(array, depth)
  if depth >= DEPTH then
    return array.n > 0 and MASK or array
  end
  local changed, is_changed = { n = array.n }, false
  for index = 1, array.n do
    changed[index] = mask_value(array[index], depth + 1)
    is_changed = is_changed or changed[index] ~= array[index]
  end
  for index in pairs(marked(array)) do
    local hidden = hide(array[index])
    if hidden ~= array[index] then
      changed[index], is_changed = hidden, true
    end
  end
  return is_changed and changed or array
end

local function colons(text)
  local _, count = string.gsub(text, ":", "")
  return count
end

-- Whether a JSON text may hold a secret that its decoded value does not: of a repeated key the last counts. Then the text
-- has more colons than the value has when it is encoded again.
local function hides_more(text, value)
  local is_whole = colons(text) == colons(json.encode(value)) and not string.find(text, "\\u003", 1, true)
  return not is_whole and masktext.mask_text(text) ~= text
end

local function mask_string(text, depth)
  if string.find(text, '^[ \t\r\n]*[{%["]') then
    local inner = json.decode(text)
    if inner ~= nil then
      local masked = mask_value(inner, depth + 1)
      if masked == inner and not hides_more(text, inner) then
        return text
      end
      return json.encode(masked)
    end
  end
  return masktext.mask_text(text)
end

mask_value = function(value, depth)
  if type(value) == "string" then
    return mask_string(value, depth)
  elseif type(value) ~= "table" then
    return value
  elseif value.keys then
    return mask_object(value, depth)
  elseif value.n then
    return mask_array(value, depth)
  end
  return value
end

-- Gives a value of `json` with MASK in the place of every secret; the value itself where it holds none.
function M.mask(value)
  return mask_value(value, 0)
end

return M
