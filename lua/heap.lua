-- A heap of items with a due time each: the earliest comes out first, of equal ones the one that went in first.

local M = {}
M.__index = M

function M.new()
  return setmetatable({ size = 0, serial = 0, due = {}, serials = {}, items = {} }, M)
end

local function less(self, a, b)
  if self.due[a] ~= self.due[b] then
    return self.due[a] < self.due[b]
  end
  return self.serials[a] < self.serials[b]
end

local function swap(list, a, b)
  list[a], list[b] = list[b], list[a]
end

local function exchange(self, a, b)
  swap(self.due, a, b)
  swap(self.serials, a, b)
  swap(self.items, a, b)
end

function M:push(due, item)
  local at = self.size + 1
  self.size, self.serial = at, self.serial + 1
  self.due[at], self.serials[at], self.items[at] = due, self.serial, item
  while at > 1 do
    local parent = math.floor(at / 2)
    if not less(self, at, parent) then
      break
    end
    exchange(self, at, parent)
    at = parent
  end
end

-- When the earliest is due; nil where there is none.
function M:next_due()
  return self.due[1]
end

-- Takes the earliest out: its due time and itself.
function M:pop()
  local due, item, last = self.due[1], self.items[1], self.size
  exchange(self, 1, last)
  self.due[last], self.serials[last], self.items[last] = nil, nil, nil
  self.size = last - 1
  local at = 1
  while true do
    local child = 2 * at
    if child > self.size then
      break
    end
    if child < self.size and less(self, child + 1, child) then
      child = child + 1
    end
    if not less(self, child, at) then
      break
    end
    exchange(self, at, child)
    at = child
  end
  return due, item
end

return M
