-- The state of an AMQP connection: what its methods, in packet order over both directions, let one know.

local tables = need("tables")
local fieldtable = need("fieldtable")
local json = need("json")
local ordered = need("ordered")
local utf8text = need("utf8text")

local M = {}
M.__index = M

local LIMITS = tables.limits

-- Gives the state of a connection, the `stream` (a number), between two ends, {ip = …, port = …} each. `info` is what is known
-- of it, and is replaced where more becomes known: those who hold it keep what was known then.
function M.new(stream, client, broker)
  return setmetatable({
    stream = stream, client = client, broker = broker, info = { stream = stream, client = client, broker = broker },
    channels = {}, channel_count = 0, messages = 0, missed = 0, missed_of_client = 0,
  }, M)
end

local function new_channel(self)
  return {
    declared = {}, pending = {}, replacing = {}, unanswered = {}, early = {}, gets = {}, counts = { 0, 0 },
    consumers = ordered.new(LIMITS.CONSUMERS), missed = self.missed, missed_of_client = self.missed_of_client,
    published = -1,
  }
end

-- Counting is over where a publish may be among what is missing; so is pairing of questions and answers.
local function catch_up(self, channel)
  channel.gets, channel.pending, channel.declared, channel.early, channel.unanswered = {}, {}, {}, {}, {}
  channel.counts[2] = 0
  if channel.missed_of_client ~= self.missed_of_client then
    channel.last_queue, channel.published, channel.confirms = nil, -1, nil
  end
  channel.missed, channel.missed_of_client = self.missed, self.missed_of_client
end

local function channel_of(self, number)
  local channel = self.channels[number]
  if not channel then
    channel = new_channel(self)
    if self.channel_count < LIMITS.CHANNELS then
      self.channels[number], self.channel_count = channel, self.channel_count + 1
    end
  elseif channel.missed ~= self.missed then
    catch_up(self, channel)
  end
  return channel
end

local function await_answer(waiting, request)
  waiting[#waiting + 1] = request
  if #waiting > LIMITS.EARLY_ANSWERS * 64 then
    table.remove(waiting, 1)
  end
end

local function await_settling(channel, which, tag, ordinal)
  local waiting = channel[which]
  if not waiting then
    waiting = ordered.new(LIMITS.UNSETTLED)
    channel[which] = waiting
  end
  waiting:put(tag, ordinal)
end

-- Learns of a whole message on a channel: gives it its ordinal on the connection, and its queue.
function M:message(message, number)
  message.info, message.ordinal = self.info, self.messages
  self.messages = self.messages + 1
  local channel = channel_of(self, number)
  local method, leg = message.method, message.leg
  if leg == "publish" then
    if channel.published >= 0 then
      channel.published = channel.published + 1
      await_settling(channel, "confirms", channel.published, message.ordinal)
    end
  elseif leg == "deliver" then
    local consumer = channel.consumers:get(method.consumer_tag)
    message.queue = consumer and consumer.queue
    if not (consumer and consumer.no_ack) then
      await_settling(channel, "undelivered", method.delivery_tag, message.ordinal)
    end
  elseif leg == "get" then
    local get = table.remove(channel.gets, 1)
    message.queue = get and get.queue
    if not (get and get.no_ack) then
      await_settling(channel, "undelivered", method.delivery_tag, message.ordinal)
    end
  end
end

local function named(queue, channel)
  if queue ~= "" then
    return queue
  end
  return channel.last_queue
end

local function learn(self, what)
  local info = {}
  for name, value in pairs(self.info) do
    info[name] = value
  end
  for name, value in pairs(what) do
    info[name] = value
  end
  info.process_key = nil
  self.info = info
end

local function forget(self)
  self.channels, self.channel_count, self.started = {}, 0, false
  self.info = { stream = self.stream, client = self.client, broker = self.broker }
end

local function text_of(properties, key)
  if #json.encode(properties) > LIMITS.SHARED_BYTES then
    return nil
  end
  local value = properties.vals[key]
  return type(value) == "string" and value or nil
end

-- The user in the response of connection.start-ok (AMQPLAIN, or PLAIN: RFC 4616); the password is skipped.
local function user_of(mechanism, response)
  local user
  if mechanism == "AMQPLAIN" then
    local fields = fieldtable.read_fields(response)
    user = fields and fields.vals.LOGIN
  elseif mechanism == "PLAIN" then
    user = string.match(response, "^[^%z]*%z([^%z]*)%z")
    user = user and utf8text.lossless(user)
  end
  if type(user) ~= "string" or user == "" then
    return nil
  end
  return (utf8text.first(user, LIMITS.USER_CHARS))
end

-- The client's program:pid, where its name is made as oslo.messaging makes it (program:pid:uuid).
local function process_of(name)
  return name and (string.match(name, "^[^:]+:%d+$") or string.match(name, "^([^:]+:%d+):"))
end

local function settle(self, event)
  local channel = channel_of(self, event.channel)
  local waiting = channel[event.from_client and "undelivered" or "confirms"]
  local tag = event.method.delivery_tag
  if not waiting then
    return {}
  elseif not event.method.multiple then
    return { waiting:remove(tag) }
  end
  local settled = {}
  -- Tags only grow, so they stand in order; 0 means all (clause 1.8.3.13).
  while true do
    local oldest = waiting:oldest()
    if oldest == nil or (oldest > tag and tag ~= 0) then
      return settled
    end
    settled[#settled + 1] = waiting:remove(oldest)
  end
end

local function consumer(channel, tag, consume)
  channel.consumers:put(tag, consume)
end

local function consume(self, event)
  local method = event.method
  local channel = channel_of(self, event.channel)
  local tag = method.consumer_tag
  local wanted = { queue = named(method.queue, channel), no_ack = method.no_ack }
  for index, early in ipairs(channel.early) do
    if early == tag then
      table.remove(channel.early, index)
      consumer(channel, tag, wanted)
      return
    end
  end
  if channel.consumers:get(tag) and not method.nowait and channel.counts[1] < LIMITS.CONSUMERS then
    -- It was cancelled, and deliveries to the old consumer may still be on their way.
    channel.replacing[tag], channel.counts[1] = wanted, channel.counts[1] + 1
  elseif tag ~= "" then
    consumer(channel, tag, wanted)
    if not method.nowait and channel.counts[2] < LIMITS.CONSUMERS then
      channel.unanswered[tag], channel.counts[2] = true, channel.counts[2] + 1
    end
  elseif not method.nowait then
    await_answer(channel.pending, wanted)
  end
end

local function consume_ok(self, event)
  local channel = channel_of(self, event.channel)
  local tag = event.method.consumer_tag
  if channel.unanswered[tag] then
    channel.unanswered[tag], channel.counts[2] = nil, channel.counts[2] - 1
  elseif channel.replacing[tag] then
    consumer(channel, tag, channel.replacing[tag])
    channel.replacing[tag], channel.counts[1] = nil, channel.counts[1] - 1
  elseif channel.consumers:get(tag) then
    return
  elseif #channel.pending > 0 then
    consumer(channel, tag, table.remove(channel.pending, 1))
  elseif #channel.early < LIMITS.EARLY_ANSWERS then
    channel.early[#channel.early + 1] = tag
  end
end

local function channel_anew(self, event)
  if self.channels[event.channel] then
    self.channels[event.channel], self.channel_count = nil, self.channel_count - 1
  end
end

-- Learns that something is missing; channels learn it when they are next looked at.
function M:miss(from_client)
  self.missed = self.missed + 1
  if from_client then
    self.missed_of_client = self.missed_of_client + 1
  end
end

local HANDLERS = {
  ["protocol-header"] = forget,
  ["connection.start"] = function(self, event)
    if self.started then
      -- It comes once a connection (clause 1.4.2.1): the ports were taken unseen.
      forget(self)
    end
    self.started = true
    learn(self, { node = text_of(event.method.server_properties, "cluster_name") })
  end,
  ["connection.start-ok"] = function(self, event)
    local method = event.method
    local name = text_of(method.client_properties, "connection_name")
    learn(self, { name = name, process = process_of(name), user = user_of(method.mechanism, method.response) })
  end,
  ["connection.open"] = function(self, event)
    learn(self, { vhost = event.method.virtual_host })
  end,
  ["channel.open"] = channel_anew,
  ["channel.close-ok"] = channel_anew,
  ["queue.declare"] = function(self, event)
    local channel, queue = channel_of(self, event.channel), event.method.queue
    -- Of a queue that the broker shall name, declare-ok tells.
    channel.last_queue = queue ~= "" and queue or nil
    if not event.method.nowait then
      await_answer(channel.declared, queue)
    end
  end,
  ["queue.declare-ok"] = function(self, event)
    local channel = channel_of(self, event.channel)
    if #channel.declared > 0 and table.remove(channel.declared, 1) == "" and #channel.declared == 0 then
      channel.last_queue = event.method.queue
    end
  end,
  ["basic.consume"] = consume,
  ["basic.consume-ok"] = consume_ok,
  ["basic.cancel"] = function(self, event)
    -- The client's own cancel ends with cancel-ok: deliveries on their way still belong to the consumer.
    if not event.from_client then
      channel_of(self, event.channel).consumers:remove(event.method.consumer_tag)
    end
  end,
  ["basic.get"] = function(self, event)
    local channel = channel_of(self, event.channel)
    await_answer(channel.gets, { queue = named(event.method.queue, channel), no_ack = event.method.no_ack })
  end,
  ["basic.get-empty"] = function(self, event)
    table.remove(channel_of(self, event.channel).gets, 1)
  end,
  ["confirm.select"] = function(self, event)
    local channel = channel_of(self, event.channel)
    channel.published = math.max(channel.published, 0)
  end,
  ["malformed"] = function(self, event)
    self:miss(event.from_client)
  end,
  ["gap"] = function(self, event)
    self:miss(event.from_client)
    if event.size == nil then
      -- Another connection may have taken the ports.
      forget(self)
    end
  end,
}
HANDLERS["basic.cancel-ok"] = HANDLERS["basic.cancel"]
for _, name in ipairs({ "basic.ack", "basic.nack", "basic.reject" }) do
  HANDLERS[name] = function(self, event)
    event.settled = settle(self, event)
  end
end

-- Learns from an event that is no message.
function M:event(event)
  local handler = HANDLERS[event.name]
  if handler then
    handler(self, event)
  end
  event.info = self.info
end

return M
