-- Joins each request with its legs and its reply over all connections.
--
-- Requests are joined by _unique_id: one publish, its deliveries, what the broker gives back. Replies are joined to their
-- call by _msg_id. Acks and confirms come by the ordinals of the messages that they settle.

local tables = need("tables")
local calls = need("call")
local heap = need("heap")
local ordered = need("ordered")
local sights = need("sight")
local topics = need("topics")
local verdicts = need("verdict")

local M = {}
M.__index = M

local LIMITS = tables.limits
local TELLING = { ["gap"] = true, ["basic.consume"] = true, ["queue.declare"] = true, ["malformed"] = true }

-- Gives what follows all requests. `give(call)` learns of each whose verdict is known.
function M.new(give)
  return setmetatable({
    give_out = give, sight = sights.new(), queues = ordered.new(LIMITS.DECLARED_QUEUES),
    open = ordered.new(LIMITS.OPEN_CALLS + 1), by_msg_id = {}, closed = ordered.new(LIMITS.CLOSED_IDS),
    given = ordered.new(LIMITS.CLOSED_IDS), unsettled = ordered.new(LIMITS.UNSETTLED_LEGS), due = heap.new(), now = 0,
    evicted = 0,
  }, M)
end

-- What names a message for its ack or confirm: a number, which costs less than a text.
local function settling_key(info, ordinal)
  return info.stream * 4294967296 + ordinal
end

-- Looks at the request when the capture's clock is past `due_ns`; an earlier appointment is void.
local function look_again(self, call, due_ns)
  call.due_ns = due_ns
  self.due:push(due_ns, call)
  if self.due.size > 2 * self.open.size + LIMITS.VOID_APPOINTMENTS then
    local due = heap.new()
    for _, waiting in self.open:each() do
      if waiting.due_ns > 0 then
        due:push(waiting.due_ns, waiting)
      end
    end
    self.due = due
  end
end

-- Whether a message has what the request was learned from: two with one id may be two.
local function is_like(call, message, hot)
  return call.kind == hot.kind and call.method == calls.shorten(hot.method) and call.request_bytes == message.body_size
end

-- Gives a request out with its verdict.
local function give(self, call)
  call.status, call.cause = verdicts.verdict(call, self.sight, self.now)
  self.open:remove(call.key)
  if call.publish then
    self.unsettled:remove(settling_key(call.publish.info, call.publish.ordinal))
  end
  for _, leg in ipairs(call.delivers) do
    self.unsettled:remove(settling_key(leg.info, leg.ordinal))
  end
  self.given:put(call.key, call)
  if call.msg_id then
    self.by_msg_id[call.msg_id] = nil
    self.closed:put(call.msg_id, call)
  end
  self.give_out(call)
end

local function enter(self, kind, key)
  local call = calls.new(kind, key, self.now)
  self.open:put(key, call)
  if self.open.size > LIMITS.OPEN_CALLS then
    self.evicted = self.evicted + 1
    give(self, self.open:get(self.open:oldest()))
  end
  return call
end

local function learn_missing(self, call)
  self.sight.is_partial = self.sight.is_partial or (verdicts.misses_legs(call, self.sight, self.now) and true) or false
end

local function learn_request(self, call, message, hot)
  local method = message.method
  call.has_request, call.method, call.request_bytes = true, calls.shorten(hot.method), message.body_size
  for _, name in ipairs({ "namespace", "version", "event_type", "unique_id", "request_id", "reply_q" }) do
    call[name] = calls.shorten(hot[name])
  end
  call.request_msg_id, call.timeout_s = calls.shorten(hot.msg_id), hot.timeout_s
  call.exchange = method.exchange
  call.topic, call.server = topics.split(self.queues, hot, method.exchange, method.routing_key)
  local msg_id = call.request_msg_id
  if hot.kind == "call" and msg_id then
    if not self.by_msg_id[msg_id] then
      self.by_msg_id[msg_id] = call
    end
    if self.by_msg_id[msg_id] == call then
      call.msg_id = msg_id
    end
  end
end

-- Finds or opens the request of a message; the second result says that it was given out before.
local function request_of(self, message, hot)
  local alone = settling_key(message.info, message.ordinal)
  local key = calls.shorten(hot.unique_id or hot.msg_id or hot.message_id) or alone
  local call = self.open:get(key)
  if call and not is_like(call, message, hot) then
    key, call = alone, nil
  end
  if not call then
    local given = self.given:get(key)
    if given then
      if not given.has_request or is_like(given, message, hot) then
        return given, true
      end
      key = alone
    end
    local msg_id = calls.shorten(hot.msg_id)
    call = hot.kind == "call" and self.by_msg_id[msg_id] or nil
    if call and call.has_request then
      call = nil
    end
    if call then
      self.open:remove(call.key)
      call.key = key
      self.open:put(key, call)
    elseif hot.kind == "call" and self.closed:get(msg_id) then
      return self.closed:get(msg_id), true
    else
      call = enter(self, hot.kind, key)
    end
  end
  if not call.has_request then
    learn_request(self, call, message, hot)
  end
  return call, false
end

local function await_settling(self, call, leg)
  self.unsettled:put(settling_key(leg.info, leg.ordinal), call)
end

local function published(self, call, leg, message)
  if call.publish then
    if not calls.is_seen_twice(leg, call.publish) then
      call.duplicates = call.duplicates + 1
      message.is_repeated = true
    end
    return
  end
  call.publish = leg
  await_settling(self, call, leg)
  if #call.delivers > 0 then
    self.sight.has_delivered = true
  end
end

local function delivered(self, call, leg, message)
  local known = call.by_line[calls.line(leg)]
  if known and calls.is_seen_twice(leg, known) then
    return
  end
  call.redelivered = call.redelivered or message.method.redelivered == true
  call.acks_missing = call.acks_missing + 1
  await_settling(self, call, leg)
  if not known then
    call.by_line[calls.line(leg)] = leg
    call.delivers[#call.delivers + 1] = leg
  end
  if call.publish then
    self.sight.has_delivered = true
  end
  if call.kind ~= "call" then
    look_again(self, call, leg.time_ns + LIMITS.SENT_NS)
  end
end

local function read_reply(call, message, hot)
  call.failure = call.failure or hot.failure
  if not call.reply_bytes or not hot.ending then
    call.reply_bytes = message.body_size
  end
end

local function reply_published(self, call, message, hot, leg)
  local known = call.reply_publish
  if known and calls.is_seen_twice(leg, known) then
    return
  end
  read_reply(call, message, hot)
  if not known or (hot.ending and not call.reply_published_ns) then
    -- Of servers with two replies the last counts, of retries the first.
    call.reply_publish = leg
  end
  if hot.ending then
    -- Where the return would not be seen, that it is sent again tells of it.
    message.is_repeated = call.reply_published_ns ~= nil
    call.reply_returned = message.is_repeated and not self.sight:hears(sights.process_of(leg.info))
    call.reply_published_ns = leg.time_ns
    if not call.has_request or not self.sight:hears_queue(call.reply_q) then
      look_again(self, call, leg.time_ns + LIMITS.REPLY_SEEN_NS)
    end
  end
end

local function reply_delivered(self, call, message, hot, leg)
  local known = call.reply_deliver
  if known and calls.is_seen_twice(leg, known) then
    return
  end
  read_reply(call, message, hot)
  if not known or (hot.ending and not call.is_answered) then
    call.reply_deliver = leg
  end
  if not hot.ending then
    return
  end
  call.is_answered = true
  if not call.has_request then
    look_again(self, call, leg.time_ns + LIMITS.REPLY_SEEN_NS) -- its request may come yet
    return
  end
  learn_missing(self, call)
  give(self, call)
end

local function heartbeat(call, leg, is_publish)
  local which = is_publish and "heartbeat_publish" or "heartbeat_deliver"
  local count = is_publish and "heartbeats_published" or "heartbeats_delivered"
  if not call[which] or not calls.is_seen_twice(leg, call[which]) then
    call[which], call[count] = leg, call[count] + 1
  end
end

-- Learns that a reply came whose request was not seen: one no older than the capture was elsewhere.
local function learn_unasked(self)
  local since = self.now - LIMITS.ASKED_NS
  if not self.sight.is_partial and since > self.first_ns then
    self.sight.is_partial = not self.sight:may_hide(since, self.now)
  end
end

local function reply(self, message, hot)
  local msg_id = calls.shorten(hot.msg_id)
  if not msg_id then
    return nil
  end
  local leg = message
  local is_delivery = message.leg == "deliver" or message.leg == "get"
  if is_delivery and message.method.routing_key ~= "" then
    self.sight:consumes(message.method.routing_key, sights.process_of(leg.info))
  end
  local call = self.by_msg_id[msg_id]
  if not call then
    call = self.closed:get(msg_id)
    if call then
      message.is_repeated = message.leg == "publish" and call.reply_published_ns ~= nil
      return call
    end
    call = enter(self, "call", settling_key(leg.info, leg.ordinal))
    call.msg_id = msg_id
    learn_unasked(self)
    self.by_msg_id[msg_id] = call
  end
  if message.leg == "return" then
    call.reply_returned = true
  elseif hot.kind == "heartbeat" then
    heartbeat(call, leg, message.leg == "publish")
  elseif message.leg == "publish" then
    reply_published(self, call, message, hot, leg)
  else
    reply_delivered(self, call, message, hot, leg)
  end
  return call
end

local function look(self, call)
  if call.kind ~= "call" then
    local last = 0
    for _, leg in ipairs(call.delivers) do
      last = math.max(last, leg.time_ns)
    end
    last = last + LIMITS.SETTLED_NS
    if #call.delivers > 0 and call.acks_missing > 0 and self.now <= last then
      look_again(self, call, last)
    else
      give(self, call)
    end
    return
  end
  local is_over = call.is_answered or (not call.has_request and not call.reply_returned)
  if is_over or verdicts.is_answered_elsewhere(call, self.sight, self.now) then
    give(self, call)
    return
  end
  learn_missing(self, call)
end

local function advance(self, now)
  self.now = now
  self.first_ns = self.first_ns or now
  while self.due.size > 0 and self.due:next_due() < now do
    local due_ns, call = self.due:pop()
    if due_ns == call.due_ns and self.open:get(call.key) == call then
      look(self, call)
    end
  end
end

-- Takes the next message, with its decoded body where it is one of oslo.messaging; gives its call, or nil.
function M:message(message, hot, from_client)
  advance(self, message.time_ns)
  self.sight:saw(message.info, from_client)
  if not hot then
    return nil
  elseif hot.kind == "reply" or hot.kind == "heartbeat" then
    return reply(self, message, hot)
  end
  local call, is_late = request_of(self, message, hot)
  if is_late then
    return call
  end
  if message.leg == "return" then
    call.returned = true
    if call.kind ~= "call" then
      give(self, call)
    end
    return call
  end
  local leg = message
  if message.leg == "publish" then
    published(self, call, leg, message)
  else
    delivered(self, call, leg, message)
  end
  return call
end

local function settled(self, event, ordinal)
  local call = self.unsettled:remove(settling_key(event.info, ordinal))
  if not call then
    return
  end
  local is_ack = event.name == "basic.ack"
  if not event.from_client then
    if is_ack and not call.confirm_ns then
      call.confirm_ns = event.time_ns
    end
    return
  end
  call.acks_missing = call.acks_missing - 1
  if is_ack then
    call.ack_ns = call.ack_ns or event.time_ns
  elseif call.kind ~= "call" then
    look_again(self, call, event.time_ns + LIMITS.SENT_NS) -- it may come again
  end
end

-- Takes the next event that is no message.
function M:event(event)
  advance(self, event.time_ns)
  if event.method then
    self.sight:saw(event.info, event.from_client)
  end
  if TELLING[event.name] then
    self.sight:learn(event)
    if event.name == "queue.declare" and event.method.queue ~= "" then
      self.queues:put(event.method.queue, true)
    end
  end
  for _, ordinal in ipairs(event.settled or {}) do
    settled(self, event, ordinal)
  end
end

-- Gives out the requests that are left, judged at the time of the last event.
function M:finish()
  while self.open.size > 0 do
    give(self, self.open:get(self.open:oldest()))
  end
end

-- The verdict on a request: that with which it was given out, or that of now.
function M:verdict(call)
  if call.status then
    return call.status, call.cause
  end
  return verdicts.verdict(call, self.sight, self.now)
end

return M
