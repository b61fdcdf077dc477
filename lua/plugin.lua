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

local NAME = "oslo"
local STOCK, OWN = 1, 2
-- The number of the protocol within IP.
local TCP = 6

local function add_preferences(proto)
  local sources = {
    { STOCK, "Wireshark's AMQP dissector", STOCK },
    { OWN, "osloshark, also in captures that begin mid-stream or have holes", OWN },
  }
  proto.prefs.mode = Pref.enum("AMQP frames are found by", STOCK, "Who finds the AMQP frames", sources, false)
  proto.prefs.ports = Pref.range("TCP ports of brokers", tostring(tables.port), "TCP ports that brokers listen on", 65535)
  proto.prefs.show_secrets = Pref.bool("Show secrets", false, "Show passwords, tokens and other secrets instead of ***")
  -- tshark 4.0 and 4.2 draw the whole tree of every packet to print two of its fields, which a dissector cannot know.
  proto.prefs.only_fields = Pref.string("Only these fields", "", "Fields to show, with commas between them; all where empty")
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

-- The demand that a preference such as "oslo.kind,rpc.status" makes; nil for none.
local function demand_for(text)
  local names, has_any = {}, false
  for name in string.gmatch(text, "[^,%s]+") do
    names[fields.registered[name] or name], has_any = true, true
  end
  return has_any and { is_visible = false, wanted = names, is_asked = false, is_whole = show.needs_whole(names) } or nil
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
  columns.protocol = "oslo"
  columns.info:clear_fence()
  columns.info = #texts == 1 and texts[1] or table.concat(texts, " | ")
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

-- What is asked for of messages that are shown: whether a tree is drawn; else the names of fields that are wanted, false for
-- none, and whether the protocol itself is asked for. That stays the same while packets are seen for the first time.
local function demand_of(session, tree, is_revisited)
  if session.only_fields then
    return session.only_fields
  end
  local is_visible, demand = tree.visible, session.demand
  if is_revisited or not demand or demand.is_visible ~= is_visible then
    local wanted = not is_visible and wanted_of(tree)
    demand = {
      is_visible = is_visible, wanted = wanted, is_asked = not (is_visible or wanted) and tree:referenced(Dissector.get(NAME)),
      is_whole = is_visible or (wanted and show.needs_whole(wanted)),
    }
    if not is_revisited then
      session.demand = demand
    end
  end
  return demand
end

-- Shows messages of a packet, those with this key. `source` reads bodies; `packet` has the `tvb` that it reads them from.
local function show_messages(packet, source, messages, key)
  local tvb, tree, session = packet.tvb, packet.tree, packet.session
  local demand = demand_of(session, tree, packet.is_revisited)
  packet.is_visible, packet.wanted, packet.is_asked = demand.is_visible, demand.wanted, demand.is_asked
  for _, message in ipairs(messages) do
    if message.key ~= key then
      -- TCP handed it over in another part of the packet.
    elseif not (demand.is_visible or demand.wanted) then
      -- A filter may ask for the protocol itself, or for what the expert says.
      show.brief(tree, message, packet)
    else
      local decoded = message.decoded
      if demand.is_visible or not decoded or (demand.is_whole and decoded.is_partial) then
        local body, range, is_alone = source.read(message, tvb)
        if body and (not decoded or (demand.is_whole and decoded.is_partial)) then
          message.decoded = sessions.decode(message, body, inflate.zlib, demand.is_whole)
        end
        if demand.is_visible and body and not is_alone then
          range = ByteArray.new(body, true):tvb("AMQP body"):range()
        end
        packet.range = range
      end
      packet.range = packet.range or tvb:range(0, 0)
      show.message(tree, message, packet)
      message.decoded, packet.range = nil, nil
    end
  end
end

-- Makes the protocol known to Wireshark. The option "stats" prints statistics at the end of a run of tshark.
function M.start(option)
  if package.loaded.osloshark then
    return -- installed, and named on the command line, too
  end
  package.loaded.osloshark = M
  -- What is kept of a capture only grows, so to look through it for what is no longer used is in vain: half as often and in
  -- longer steps than Lua does by itself took a tenth of the time off, and no more memory. Later versions may refuse.
  pcall(collectgarbage, "setpause", 300)
  pcall(collectgarbage, "setstepmul", 1000)
  local proto = Proto(NAME, "oslo.messaging")
  local before_amqp = Proto("oslo_amqp", "AMQP, as oslo.messaging uses it")
  local before_tcp = Proto("oslo_tcp", "TCP, as osloshark puts it in order")
  fields.register(proto)
  add_preferences(proto)
  -- Preferences that are read for every message; to ask Wireshark takes longer.
  local settings = {}
  local session

  -- Wireshark calls it when a file is opened, and when it is closed.
  local function begin()
    session = sessions.new()
    session.ports, session.inflate = M.ports_of(proto.prefs.ports), inflate.zlib
    session.only_fields = demand_for(proto.prefs.only_fields)
    session.demand = session.only_fields
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

  local function tell(source, tvb, pinfo, tree)
    local number = pinfo.number
    local messages = session.packets[number]
    if not messages then
      return
    end
    if settings.info then
      say(pinfo, messages)
    end
    local packet = {
      proto = proto, session = session, tvb = tvb, tree = tree, number = number, is_revisited = pinfo.visited,
      keeps_secrets = settings.show_secrets, range = nil, is_visible = nil, wanted = nil, is_asked = nil,
    }
    local key = source.key(tvb)
    show_messages(packet, source, messages, key)
    if not packet.is_revisited then
      for _, message in ipairs(messages) do
        if message.key == key then
          session:settle_one(message, source.holds(message))
        end
      end
    end
  end

  -- It adds to what others dissect; to have a dissector of its own lets one ask whether a filter names it.
  function proto.dissector()
    return 0
  end

  before_amqp.dissector = stock.dissector(take, function(tvb, pinfo, tree)
    tell(stock, tvb, pinfo, tree)
  end)

  before_tcp.dissector = own.dissector(take, function(tvb, pinfo, tree)
    if pinfo.visited then
      finish()
    end
    tell(own, tvb, pinfo, tree)
  end)

  -- Stands before Wireshark's dissector on the ports of the preferences, or before that of TCP.
  local ports
  local function attach()
    settings.info, settings.show_secrets = proto.prefs.info, proto.prefs.show_secrets
    local amqp, tcp = DissectorTable.get("tcp.port"), DissectorTable.get("ip.proto")
    if ports then
      amqp:remove(ports, before_amqp)
      amqp:add(ports, Dissector.get("amqp"))
      ports = nil
    end
    if proto.prefs.mode == OWN then
      tcp:add(TCP, before_tcp)
      return
    end
    tcp:add(TCP, Dissector.get("tcp"))
    if string.find(tostring(proto.prefs.ports), "%d") then
      ports = tostring(proto.prefs.ports)
      amqp:add(ports, before_amqp)
    end
  end

  proto.init = function()
    begin()
    attach()
  end
  proto.prefs_changed = attach
  begin()
  attach()
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
