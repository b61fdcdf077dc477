-- What Wireshark's menus offer: statistics, and to follow a call or a request id.

local M = {}

local function quoted(text)
  return '"' .. string.gsub(text, '[\\"]', "\\%0") .. '"'
end

-- The display filter for what a packet's field says; nil where the packet has no such field.
function M.filter_for(name, infos)
  for _, info in ipairs(infos) do
    if info.name == name then
      return name .. " == " .. quoted(tostring(info.value))
    end
  end
  return nil
end

local function follow(name)
  return function(...)
    local filter = M.filter_for(name, { ... })
    if filter then
      set_filter(filter)
      apply_filter()
    end
  end
end

-- Adds the menus; `statistics()` gives the text that is shown.
function M.register(statistics)
  if not (gui_enabled and gui_enabled()) then
    return
  end
  register_menu("osloshark/Methods: counts and latencies", function()
    local window = TextWindow.new("osloshark: methods")
    window:set(statistics())
  end, MENU_TOOLS_UNSORTED)
  if register_packet_menu then -- from Wireshark 4.2 on
    register_packet_menu("osloshark/Follow this call", follow("oslo.msg_id"), "oslo.msg_id")
    register_packet_menu("osloshark/Follow this request id", follow("oslo.request_id"), "oslo.request_id")
  end
end

return M
