-- Tables that remember the order of their entries and forget the oldest where there are too many.

local M = {}
M.__index = M

-- Gives an empty table for at most `limit` entries.
function M.new(limit)
  return setmetatable({ limit = limit, size = 0, first = 1, last = 0, keys = {}, places = {}, vals = {} }, M)
end

function M:get(key)
  return self.vals[key]
end

-- Numbers the places anew without those that are empty.
local function pack(self)
  local keys, places, last = {}, {}, 0
  for place = self.first, self.last do
    local key = self.keys[place]
    if key ~= nil then
      last = last + 1
      keys[last], places[key] = key, last
    end
  end
  self.keys, self.places, self.first, self.last = keys, places, 1, last
end

function M:remove(key)
  local place = self.places[key]
  if not place then
    return nil
  end
  local value = self.vals[key]
  self.vals[key], self.places[key], self.keys[place] = nil, nil, nil
  self.size = self.size - 1
  if self.size == 0 then
    self.first, self.last = 1, 0
  end
  return value
end

-- The oldest key; nil where there is none.
function M:oldest()
  while self.first <= self.last do
    local key = self.keys[self.first]
    if key ~= nil then
      return key
    end
    self.first = self.first + 1
  end
  return nil
end

-- Enters a value (not nil) as the youngest. Gives the key and value that had to go for it, if any.
function M:put(key, value)
  self:remove(key)
  if self.last - self.first > 2 * self.size + 64 then
    pack(self)
  end
  self.last = self.last + 1
  self.keys[self.last], self.places[key], self.vals[key] = key, self.last, value
  self.size = self.size + 1
  if self.size > self.limit then
    local oldest = self:oldest()
    return oldest, self:remove(oldest)
  end
  return nil
end

-- Gives a function that gives each key and value, the oldest first; the table must not change meanwhile.
function M:each()
  local place = self.first - 1
  return function()
    while place < self.last do
      place = place + 1
      local key = self.keys[place]
      if key ~= nil then
        return key, self.vals[key]
      end
    end
    return nil
  end
end

return M
