-- From frames to methods and whole messages: one direction of a connection, channel by channel.
--
-- Content frames of one channel follow their method without another method in between (AMQP 0-9-1, clause 4.2.6);
-- those of other channels, and heartbeats, may stand among them.

local tables = need("tables")
local methods = need("methods")

local M = {}
M.__index = M

local LIMITS, FRAME = tables.limits, tables.frame
local LEGS = {
  ["basic.publish"] = "publish", ["basic.deliver"] = "deliver", ["basic.get-ok"] = "get", ["basic.return"] = "return",
}
local OVERHEAD = 8

-- Gives a reader of one direction. `emit(event)` takes what it finds: {name = …, method = …, channel = …}, with the name
-- "malformed" for what is none; `emit(message, channel, pieces)` a whole message, with in how many pieces its body came. Messages
-- are kept, many of them: they have sixteen members at most, which is what a table of that size holds.
-- `budget.held` counts the octets of bodies that are coming.
function M.new(emit, budget)
  return setmetatable({
    emit = emit, budget = budget, open = {}, open_count = 0, orphans = {}, orphan_count = 0, unseen = 0, mixes = false,
  }, M)
end

local function malformed(self, channel, reason)
  self.emit({ name = "malformed", channel = channel, reason = reason })
end

local function known(content)
  local text = content.method.name .. " to exchange '" .. content.method.exchange .. "', routing key '"
    .. content.method.routing_key .. "'"
  if not content.properties then
    return text .. ": no content header"
  end
  return string.format("%s: %.0f of %.0f body bytes", text, content.have, content.body_size)
end

local function close(self, channel)
  local content = self.open[channel]
  if content then
    self.open[channel] = nil
    self.open_count = self.open_count - 1
    self.budget.held = self.budget.held - content.held
    if self.latest == content then
      self.latest = nil
    end
  end
  return content
end

local function unseen_in(self, content)
  return self.unseen - content.seen_all_to
end

-- Whether a frame may belong to another message than the one that waits for it, as holes may hide the rest of that and
-- the beginning of another. Where connections mix the messages of several channels, holes hide theirs.
local function may_be_another(self, content, size)
  return unseen_in(self, content) >= content.overhead + size and not self.mixes
end

local MAY_BE_ANOTHER = ": bytes are missing, and what comes after may be of another message"

local function orphan(self, channel, what)
  if not self.orphans[channel] and self.orphan_count < LIMITS.CHANNELS then
    self.orphans[channel], self.orphan_count = true, self.orphan_count + 1
    malformed(self, channel, "content " .. what .. " without its method on channel " .. channel)
  end
end

local function on_method(self, channel, data, start, stop)
  local content = self.open[channel] and close(self, channel)
  if content and not content.told then
    malformed(self, channel, known(content) .. ": another method came before its end")
  end
  local method = methods.method(data, start, stop)
  if not method then
    malformed(self, channel, "a method frame that cannot be decoded")
    return
  end
  local leg = LEGS[method.name]
  if not leg then
    self.emit({
      name = method.name, channel = channel, method = method,
      -- What the session fills in, as below.
      from_client = nil, number = nil, time_ns = nil, info = nil, settled = nil,
    })
    return
  end
  if self.open_count >= LIMITS.CHANNELS then
    malformed(self, channel, "too many channels with unfinished messages: one is left out")
    return
  end
  local latest = self.latest
  if latest and not self.mixes then
    self.mixes = self.open[latest.channel] == latest and unseen_in(self, latest) == 0
  end
  if self.orphans[channel] then
    self.orphans[channel], self.orphan_count = nil, self.orphan_count - 1
  end
  content = {
    method = method, leg = leg, channel = channel, overhead = stop - start + OVERHEAD, have = 0, held = 0, count = 0,
    pieces = "", seen_all_to = self.unseen,
  }
  self.open[channel], self.latest, self.open_count = content, content, self.open_count + 1
end

local function complete(self, channel, content, size)
  close(self, channel)
  if may_be_another(self, content, size) then
    malformed(self, channel, known(content) .. MAY_BE_ANOTHER)
  elseif content.have ~= content.body_size then
    malformed(self, channel, known(content) .. ": a body frame goes beyond its end")
  elseif content.body_size > LIMITS.PLUGIN_BODY_BYTES then
    malformed(self, channel, known(content) .. ": over the limit of " .. LIMITS.PLUGIN_BODY_BYTES .. " bytes")
  else
    local pieces = content.pieces
    self.emit({
      leg = content.leg, method = content.method, properties = content.properties, body_size = content.body_size,
      body = type(pieces) == "table" and table.concat(pieces) or pieces,
      -- What the session fills in; to name it here spares the table to grow.
      number = nil, time_ns = nil, info = nil, key = nil, at = nil, hot = nil, decoded = nil, ordinal = nil, queue = nil,
      call = nil, is_repeated = nil,
    }, channel, content.count)
  end
end

local function on_header(self, channel, data, start, stop)
  local content = self.open[channel]
  if content and content.properties then
    close(self, channel)
    if not content.told then
      malformed(self, channel, known(content) .. ": another header came before its end")
    end
    content = nil
  end
  if not content then
    orphan(self, channel, "header")
    return
  end
  local body_size, properties = methods.content_header(data, start, stop)
  if not body_size then
    close(self, channel)
    malformed(self, channel, "a content header frame that cannot be decoded")
    return
  end
  local size = stop - start + OVERHEAD
  if may_be_another(self, content, size) then
    close(self, channel)
    malformed(self, channel, known(content) .. MAY_BE_ANOTHER)
    return
  end
  content.body_size, content.properties, content.overhead = body_size, properties, content.overhead + size
  if body_size == 0 then
    complete(self, channel, content, size)
  end
end

-- Gives up the largest body that is coming, for all together are too large.
local function make_room(self)
  local largest, of
  for channel, content in pairs(self.open) do
    if not largest or content.held > largest then
      largest, of = content.held, channel
    end
  end
  if of then
    malformed(self, of, known(close(self, of)) .. ": too many bytes of unfinished messages")
  end
end

local function on_body(self, channel, data, start, stop)
  local content = self.open[channel]
  if not content or not content.properties then
    orphan(self, channel, "body")
    return
  end
  local size = stop - start
  if size == 0 then
    return -- allowed, and says nothing
  end
  content.have = content.have + size
  if content.body_size <= LIMITS.PLUGIN_BODY_BYTES then
    content.count = content.count + 1
    local piece = start == 1 and stop == #data + 1 and data or string.sub(data, start, stop - 1)
    if content.count == 1 then
      content.pieces = piece
    elseif content.count == 2 then
      content.pieces = { content.pieces, piece }
    else
      content.pieces[content.count] = piece
    end
    content.held = content.held + size + LIMITS.PIECE_BYTES
    self.budget.held = self.budget.held + size + LIMITS.PIECE_BYTES
  end
  if content.have >= content.body_size then
    complete(self, channel, content, size + OVERHEAD)
  elseif self.budget.held > LIMITS.PLUGIN_UNFINISHED_BYTES then
    make_room(self)
  end
end

local HANDLERS = { [FRAME.METHOD] = on_method, [FRAME.HEADER] = on_header, [FRAME.BODY] = on_body }

-- Takes a frame, whose payload is `data` from `start` up to `stop`, exclusive.
function M:frame(kind, channel, data, start, stop)
  local handler = HANDLERS[kind]
  if handler then
    handler(self, channel, data, start, stop)
  end
end

-- Learns that a frame of a channel is not whole: what was coming there is told.
function M:cut(channel, reason)
  local content = self.open[channel] and close(self, channel)
  if content then
    content.told = true
    malformed(self, channel, known(content) .. ": " .. reason)
  end
end

-- Learns that there may have been frames, in `unseen` octets, that were not seen, and that `passed_over` were no frames.
function M:lost(unseen, passed_over, reason)
  self.unseen = self.unseen + unseen
  self.orphans, self.orphan_count = {}, 0
  if passed_over > 0 then
    malformed(self, nil, reason .. ": " .. passed_over .. " bytes passed over")
  end
end

-- Learns that no more comes; what was coming is told, and not forgotten: a RST or a FIN may prove not to be the end.
function M:finish(reason)
  self.orphans, self.orphan_count = {}, 0
  for channel, content in pairs(self.open) do
    if not content.told then
      content.told = true
      malformed(self, channel, known(content) .. ": " .. reason)
    end
  end
end

return M
