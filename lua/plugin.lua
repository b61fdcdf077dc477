-- The protocol: its preferences, what Wireshark calls, and where the octets come from.

local tables = need("tables")
local fields = need("fields")
local inflate = need("inflate")
local menus = need("menus")
local own = need("own")
local sessions = need("session")
local show = need("show")
local stock = need("stock")
local summary = need("summary")

local M = {}

local STOCK, OWN = 1, 2

local function add_preferences(proto)
  local sources = {
    { STOCK, "Wireshark's AMQP dissector", STOCK },
    { OWN, "osloshark, also in captures that begin mid-stream or have holes", OWN },
  }
  proto.prefs.mode = Pref.enum("AMQP frames are found by", STOCK, "Who finds the AMQP frames", sources, false)
  proto.prefs.ports = Pref.range("TCP ports of brokers", tostring(tables.port), "TCP ports that brokers listen on", 65535)
  proto.prefs.show_secrets = Pref.bool("Show secrets", false, "Show passwords, tokens and other secrets instead of ***")
  proto.prefs.info = Pref.bool("Info column", true, "Say what a message is in the Info column")
end

-- The ports of a preference such as "5672,5673-5675", as keys.
function M.ports_of(text)
  local ports = {}
  for first, last in string.gmatch(tostring(text) .. ",", "(%d+)%-?(%d*)%s*,") do
    local from = math.min(tonumber(first), 65535)
    local to = math.min(tonumber(last) or from, 65535)
    for port = from, to do
      ports[port] = true
    end
  end
  return ports
end

local function say(pinfo, messages)
  local texts = {}
  for index = 1, math.min(#messages, 8) do
    texts[index] = summary.of(messages[index])
  end
  if #messages > 8 then
    texts[9] = "…"
  end
  local columns = pinfo.cols
  columns.protocol:set("oslo")
  local info = columns.info
  info:clear_fence()
  info:set(#texts == 1 and texts[1] or table.concat(texts, " | "))
end

-- The names of the fields that a filter, a column or an output asks for, though no tree is drawn, as keys; false for none.
local function wanted_of(tree)
  local names, has_any = {}, false
  for name, row in pairs(fields.by_name) do
    if tree:referenced(row.field) then
      names[name], has_any = true, true
    end
  end
  return has_any and names
end

-- Shows messages of a packet, those with this key. `source` reads bodies; `tvb` is what it reads them from.
local function show_messages(proto, session, source, packet, messages, key)
  local tvb, pinfo, tree = packet.tvb, packet.pinfo, packet.tree
  local is_visible, wanted = tree.visible, nil
  if not is_visible then
    -- What is asked for stays the same while packets are seen for the first time.
    wanted = session.wanted
    if wanted == nil or pinfo.visited then
      wanted = wanted_of(tree)
    end
    if not pinfo.visited then
      session.wanted = wanted
    end
    if not wanted then
      for _, message in ipairs(messages) do
        if message.key == key then
          -- A filter may ask for the protocol itself, or for what the expert says.
          show.brief(tree:add(proto, tvb:range(0, 0)), message, session, pinfo.visited)
        end
      end
      return
    end
  end
  local context = {
    proto = proto, session = session, number = pinfo.number, is_visible = is_visible, is_revisited = pinfo.visited,
    keeps_secrets = proto.prefs.show_secrets, wanted = wanted,
  }
  for _, message in ipairs(messages) do
    if message.key == key then
      local body, range = source.read(message, tvb)
      context.range = range or tvb:range(0, 0)
      if body and not message.decoded then
        message.decoded = sessions.decode(message, body, inflate.zlib)
      end
      if is_visible and body and (message.pieces > 1 or not range) then
        context.range = ByteArray.new(body, true):tvb("AMQP body"):range()
      end
      show.message(tree, message, context)
      message.decoded = nil
    end
  end
end

-- Makes the protocol known to Wireshark. The option "stats" prints statistics at the end of a run of tshark.
function M.start(option)
  if package.loaded.osloshark then
    return -- installed, and named on the command line, too
  end
  package.loaded.osloshark = M
  local proto = Proto("oslo", "oslo.messaging")
  local before = Proto("oslo_amqp", "AMQP, as oslo.messaging uses it")
  fields.register(proto)
  add_preferences(proto)
  own.prepare()
  local session

  -- Wireshark calls it when a file is opened, and when it is closed.
  local function begin()
    session = sessions.new()
    session.ports, session.inflate = M.ports_of(proto.prefs.ports), inflate.zlib
  end

  local function finish()
    if not session.is_finished then
      session.is_finished = true
      own.finish(session)
    end
  end

  -- The session, where a packet is seen for the first time.
  local function take(pinfo)
    if not pinfo.visited and pinfo.number >= session.latest then
      session.latest = pinfo.number
      return session
    end
    return nil
  end

  local function tell(source, packet, key)
    local messages = session.packets[packet.pinfo.number]
    if not messages then
      return
    end
    if proto.prefs.info then
      say(packet.pinfo, messages)
    end
    show_messages(proto, session, source, packet, messages, key)
    if not packet.pinfo.visited then
      for _, message in ipairs(messages) do
        if message.key == key then
          session:settle_one(message, source.holds(message))
        end
      end
    end
  end

  before.dissector = stock.dissector(take, function(tvb, pinfo, tree, key)
    tell(stock, { tvb = tvb, pinfo = pinfo, tree = tree }, key)
  end)

  function proto.dissector(tvb, pinfo, tree)
    if proto.prefs.mode ~= OWN then
      return
    end
    -- In the first of two passes Wireshark may have no fields to read; then the second is taken for it.
    if (not pinfo.visited or session.is_blind) and pinfo.number > session.latest then
      session.latest = pinfo.number
      own.collect(session, pinfo)
    elseif pinfo.visited and not session.is_blind then
      finish()
    end
    tell(own, { tvb = tvb, pinfo = pinfo, tree = tree }, nil)
  end

  local ports, original = {}, Dissector.get("amqp")
  local tcp = DissectorTable.get("tcp.port")

  -- Stands before Wireshark's dissector on the ports of the preferences, or not.
  local function attach()
    for port in pairs(ports) do
      tcp:set(port, original)
    end
    ports = proto.prefs.mode == STOCK and M.ports_of(proto.prefs.ports) or {}
    for port in pairs(ports) do
      tcp:set(port, before)
    end
  end

  proto.init = function()
    begin()
    attach()
  end
  proto.prefs_changed = attach
  begin()
  attach()
  register_postdissector(proto)
  menus.register(function()
    return session:report()
  end)
  if option == "stats" then
    local tap = Listener.new("frame")
    function tap.draw()
      finish()
      session.calls:finish()
      print(session:report())
    end
  end
end

return M
