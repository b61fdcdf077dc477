-- Frames as Wireshark's own AMQP dissector takes them: this stands before it on the brokers' ports, lets it do its work, and
-- reads the whole frames in what TCP hands over. It needs no fields of Wireshark's, which are not there in the first of two
-- passes. It is told of no hole, and sees nothing where a capture begins within a frame.

local tables = need("tables")

local M = {}

local byte = string.byte
local HEADER = tables.protocol_header
local FRAME = tables.frame
local END = string.char(FRAME.END)
-- Octets that are read at once: method and content header of nearly all messages.
local WINDOW = 384
local KINDS = { [FRAME.METHOD] = true, [FRAME.HEADER] = true, [FRAME.BODY] = true, [FRAME.HEARTBEAT] = true }

-- Finds the connection between two addresses, and whether the client sent the packet. A connection that takes the ports of an
-- earlier one begins with a protocol header.
local function find(session, sender_address, receiver_address, pinfo)
  local source, destination = tostring(sender_address), tostring(receiver_address)
  local source_port, destination_port = pinfo.src_port, pinfo.dst_port
  local key = source .. " " .. source_port .. " " .. destination .. " " .. destination_port
  local conversation = session.streams[key]
  if conversation then
    return conversation, true
  end
  local back = destination .. " " .. destination_port .. " " .. source .. " " .. source_port
  conversation = session.streams[back]
  if conversation then
    return conversation, false
  end
  local sender, receiver = { ip = source, port = source_port }, { ip = destination, port = destination_port }
  local from_client = not session.ports[source_port] or session.ports[destination_port] ~= nil
  return session:conversation(from_client and key or back, sender, receiver), from_client
end

-- The same for a packet; that of the last packet with the same ports is at hand.
local function place(session, pinfo)
  local last = session.last_place
  local sender, receiver = pinfo.src, pinfo.dst
  local source_port, destination_port = pinfo.src_port, pinfo.dst_port
  local ports = source_port * 65536 + destination_port
  local known = last[ports]
  if known and known.sender == sender and known.receiver == receiver then
    return known.conversation, known.from_client
  end
  local conversation, from_client = find(session, sender, receiver, pinfo)
  if session.place_count >= tables.limits.CONNECTIONS then
    session.last_place, session.place_count = {}, 0
    last = session.last_place
  end
  if not known then
    session.place_count = session.place_count + 1
  end
  last[ports] = { sender = sender, receiver = receiver, conversation = conversation, from_client = from_client }
  return conversation, from_client
end

-- What tells the calls for one packet from each other: TCP may hand over what was reassembled, and then the rest.
function M.key(tvb)
  return tvb:offset() * 4294967296 + tvb:len()
end

-- Takes the frames of what TCP hands over, when it is seen for the first time.
local function collect(session, tvb, pinfo)
  local at, size = 0, tvb:len()
  local octets, first = "", 0
  local conversation, from_client
  while at + 8 <= size do
    if at + 8 > first + #octets then
      octets, first = tvb:raw(at, size - at < WINDOW and size - at or WINDOW), at
    end
    local start = at - first + 1
    local kind, a, b, c, d, e, f = byte(octets, start, start + 6)
    local length = KINDS[kind] and ((c * 256 + d) * 256 + e) * 256 + f
    local is_header = not length and string.sub(octets, start, start + 7) == HEADER
    if not is_header and (not length or at + 8 + length > size) then
      return
    end
    if not conversation then
      session.number, session.time_ns, session.key = pinfo.number, session:time_of(pinfo), M.key(tvb)
      conversation, from_client = place(session, pinfo)
    end
    if is_header then
      session:happened(conversation, from_client, { name = "protocol-header" })
      at = at + 8
    else
      session.at = at + 7
      local data, from = octets, start + 7
      local stop = from + length
      if stop > #octets then
        -- Longer than what is at hand: read alone, it need not be copied again.
        data, from, stop = tvb:raw(at + 7, length), 1, length + 1
        if tvb:raw(at + 7 + length, 1) ~= END then
          return
        end
      elseif byte(octets, stop) ~= FRAME.END then
        return
      end
      conversation[from_client]:frame(kind, a * 256 + b, data, from, stop)
      at = at + 8 + length
    end
  end
end

-- Makes the dissector that stands before Wireshark's own. `take(pinfo)` gives the session where the packet is seen for the first
-- time; `show(tvb, pinfo, tree)` shows the messages that this call completed.
function M.dissector(take, show)
  local original = Dissector.get("amqp")
  local call = original.call
  return function(tvb, pinfo, tree)
    local session = take(pinfo)
    if session then
      collect(session, tvb, pinfo)
    end
    -- Without it TCP would not put together what the original asks for: each call of a dissector lowers it.
    pinfo.can_desegment = 2
    -- A packet that is cut short raises an error, which is shown by then.
    local is_whole, taken = pcall(call, original, tvb, pinfo, tree)
    show(tvb, pinfo, tree)
    return is_whole and taken or tvb:len()
  end
end

-- Whether the packet holds a message's body in one piece, so that it need not be kept.
function M.holds(message)
  return message.at ~= nil
end

-- A message's body, and the range of what it lies in; true where that is the body and nothing else.
function M.read(message, tvb)
  if message.body_size == 0 then
    return "", tvb:range(0, tvb:len()), true
  elseif message.at and message.at + message.body_size <= tvb:len() then
    local range = tvb:range(message.at, message.body_size)
    return message.body or range:raw(), range, true
  end
  return message.body, tvb:range(0, tvb:len()), false
end

return M
