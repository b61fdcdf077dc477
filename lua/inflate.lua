-- Undoes zlib, by Wireshark.

local M = {}

local METHODS = { "uncompress_zlib", "uncompress" } -- Wireshark 4.4 and later; before that

-- Which method this version has.
local function method_of(range)
  for _, name in ipairs(METHODS) do
    local found, method = pcall(function()
      return range[name]
    end)
    if found and method then
      return method
    end
  end
  return nil
end

-- The octets of a zlib or gzip stream, while a packet is dissected; nil where it is none or is cut short. The caller bounds
-- how many octets go in, and with that how many come out.
function M.zlib(octets)
  if #octets == 0 then
    return nil
  end
  local range = ByteArray.new(octets, true):tvb("Compressed body"):range()
  local method = method_of(range)
  local is_whole, plain = pcall(method or error, range, "Decompressed body")
  if not is_whole or not plain then
    return nil
  end
  return plain:raw()
end

return M
