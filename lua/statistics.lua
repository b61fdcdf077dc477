-- Counts and latencies of requests by method, and the slowest of them.

local tables = need("tables")
local masktext = need("masktext")

local M = {}
M.__index = M

local OTHER = "(other)"
local SLOWEST = 20
-- Latencies are counted in steps of 2 %: so near are the percentiles.
local STEP = math.log(1.02)

function M.new()
  return setmetatable({ rows = {}, names = {}, slowest = {} }, M)
end

local function row_of(self, call)
  local name = call.kind .. " " .. (call.namespace and call.namespace .. "." or "")
    .. (call.method or call.event_type or "(request not seen)")
  local row = self.rows[name] -- what is there is masked, and stays as it is when it is masked again
  if not row then
    name = masktext.mask_text(name)
    row = self.rows[name]
  end
  if not row and #self.names >= tables.limits.STATISTICS_KEYS then
    name = OTHER
    row = self.rows[name]
  end
  if not row then
    row = { name = name, count = 0, errors = 0, timed = 0, most = 0, buckets = {} }
    self.rows[name] = row
    self.names[#self.names + 1] = name
  end
  return row
end

-- Learns of a request whose verdict is known; `latency_s` is nil where it was not seen.
function M:add(call, latency_s)
  local row = row_of(self, call)
  row.count = row.count + 1
  if call.status == "failed" or call.status == "timed_out" or call.status == "undelivered" then
    row.errors = row.errors + 1
  end
  if not latency_s then
    return
  end
  row.timed, row.most = row.timed + 1, math.max(row.most, latency_s)
  local bucket = math.ceil(math.log(math.max(latency_s, 1e-6)) / STEP)
  row.buckets[bucket] = (row.buckets[bucket] or 0) + 1
  local slowest = self.slowest
  if #slowest < SLOWEST or latency_s > slowest[#slowest].latency_s then
    local at = #slowest + 1
    while at > 1 and slowest[at - 1].latency_s < latency_s do
      at = at - 1
    end
    table.insert(slowest, at, { latency_s = latency_s, call = call, name = row.name })
    slowest[SLOWEST + 1] = nil
  end
end

local function percentile(row, share)
  local wanted, seen, buckets = math.ceil(row.timed * share), 0, {}
  for bucket in pairs(row.buckets) do
    buckets[#buckets + 1] = bucket
  end
  table.sort(buckets)
  for _, bucket in ipairs(buckets) do
    seen = seen + row.buckets[bucket]
    if seen >= wanted then
      return math.min(math.exp((bucket - 0.5) * STEP), row.most)
    end
  end
  return nil
end

local function milliseconds(seconds)
  return seconds and string.format("%.1f", seconds * 1000) or "-"
end

-- One line of the table of methods; names come last, for Wireshark's windows are narrow and break what is longer.
local HEAD, ROW = "%8s %6s %8s %8s %8s %8s  %s", "%8d %6d %8s %8s %8s %8s  %s"

-- Writes the tables as text.
function M:render()
  local lines = { string.format(HEAD, "count", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms", "method") }
  local names = {}
  for index, name in ipairs(self.names) do
    names[index] = name
  end
  table.sort(names, function(a, b)
    local one, other = self.rows[a], self.rows[b]
    if one.count ~= other.count then
      return one.count > other.count
    end
    return a < b
  end)
  for _, name in ipairs(names) do
    local row = self.rows[name]
    local most = row.timed > 0 and milliseconds(row.most) or "-"
    local p50, p95, p99 = percentile(row, 0.5), percentile(row, 0.95), percentile(row, 0.99)
    lines[#lines + 1] = string.format(
      ROW, row.count, row.errors, milliseconds(p50), milliseconds(p95), milliseconds(p99), most, name
    )
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = string.format("%10s %9s  %s", "slowest ms", "packet", "method")
  for _, slow in ipairs(self.slowest) do
    local leg = slow.call.publish
    lines[#lines + 1] = string.format("%10s %9d  %s", milliseconds(slow.latency_s), leg.number, slow.name)
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
