-- The verdict on a request: how it ended and, where not well, why.

local tables = need("tables")
local process_of = need("sight").process_of

local M = {}

local LIMITS = tables.limits

-- When the client gives up; nil where that is not known, or it never does. Where only the delivery was seen, the latest
-- time that it can be.
function M.deadline(call)
  local leg = call.publish or call.delivers[1]
  if not leg or not call.timeout_s then
    return nil
  end
  return leg.time_ns + math.floor(call.timeout_s * 1e9)
end

-- Whether the last reply was published long enough ago to have come, or to have come back.
local function is_reply_out(call, now)
  return call.reply_published_ns ~= nil and not call.reply_returned
    and now - call.reply_published_ns >= LIMITS.REPLY_SEEN_NS
end

-- Whether a call was answered where the capture does not show its client get replies.
function M.is_answered_elsewhere(call, sight, now)
  return is_reply_out(call, now) and not sight:hears_queue(call.reply_q)
    and (not call.publish or not sight:hears(process_of(call.publish.info)))
end

-- Whether an answered call lacks a leg that would be in a capture which shows all connections.
function M.misses_legs(call, sight, now)
  local lacks
  if call.is_answered then
    lacks = (call.publish and #call.delivers == 0) or (#call.delivers > 0 and not call.reply_publish)
  else
    lacks = call.publish and is_reply_out(call, now) and not sight:hears_queue(call.reply_q)
  end
  return lacks and not sight:may_hide(call.begin_ns, now)
end

-- Whether the broker may have given the last reply back where packets of its server are missing.
local function may_hide_return(call, sight, now)
  if not call.reply_published_ns or not call.reply_publish then
    return false
  end
  local upto = math.min(call.reply_published_ns + LIMITS.REPLY_SEEN_NS, now)
  return sight:may_hide(call.reply_published_ns, upto, { process_of(call.reply_publish.info) })
end

local function of_message(call, sight, now)
  if #call.delivers > 0 then
    return "sent", nil
  elseif call.returned then
    return "undelivered", "not_delivered"
  elseif now - call.begin_ns < LIMITS.UNDELIVERED_NS or not sight:shows_deliveries() then
    return "pending", nil
  end
  return "undelivered", sight:may_hide(call.begin_ns, now) and "capture_gap" or "not_delivered"
end

-- Whether the capture would show an answer that the client or, failing that, the server was seen without.
local function would_show_answer(call, sight)
  if sight:hears_queue(call.reply_q) then
    return true
  elseif call.reply_published_ns then
    return false
  elseif call.publish then
    return sight:hears(process_of(call.publish.info)) and sight:shows_processes()
  end
  for _, leg in ipairs(call.delivers) do
    if sight:speaks(process_of(leg.info)) then
      return sight:shows_processes()
    end
  end
  return false
end

local function processes_of(call)
  local found = {}
  if call.publish then
    found[#found + 1] = process_of(call.publish.info)
  end
  if call.reply_deliver then
    found[#found + 1] = process_of(call.reply_deliver.info)
  end
  for _, leg in ipairs(call.delivers) do
    found[#found + 1] = process_of(leg.info)
  end
  if call.reply_publish then
    found[#found + 1] = process_of(call.reply_publish.info)
  end
  return found
end

local function why_unanswered(call, sight, deadline)
  if call.returned then
    return "not_delivered"
  elseif sight:may_hide(call.begin_ns, deadline, #call.delivers > 0 and processes_of(call) or nil) then
    return "capture_gap"
  elseif #call.delivers > 0 then
    return "no_reply"
  end
  return sight:shows_deliveries() and "not_delivered" or nil
end

local function of_call(call, sight, now)
  -- Where the publish was not seen, the deadline is only the latest that it can be.
  local deadline = M.deadline(call)
  local good = call.failure and "failed" or "ok"
  if not call.has_request then
    -- Who knows whether it was in time.
    return "pending", call.reply_returned and "reply_unroutable" or nil
  elseif not call.msg_id then
    return "pending", nil -- its replies cannot be told from another's
  end
  if call.is_answered then
    if deadline and call.reply_deliver.time_ns > deadline then
      return "timed_out", "late_reply"
    end
    return good, nil
  end
  local is_late = deadline and call.reply_publish and call.reply_publish.time_ns > deadline
  if M.is_answered_elsewhere(call, sight, now) then
    if may_hide_return(call, sight, now) then
      return "pending", "capture_gap"
    elseif is_late then
      return "timed_out", "late_reply"
    end
    return good, nil
  end
  if not deadline or now <= deadline then
    return "pending", call.reply_returned and "reply_unroutable" or call.returned and "not_delivered" or nil
  elseif call.reply_returned then
    return "timed_out", "reply_unroutable"
  elseif may_hide_return(call, sight, now) then
    return "timed_out", "capture_gap"
  elseif is_late then
    return "timed_out", "late_reply"
  elseif not would_show_answer(call, sight) then
    return "pending", nil
  elseif call.reply_published_ns then
    local clients = call.publish and { process_of(call.publish.info) } or nil
    if sight:may_hide(call.reply_published_ns, deadline, clients) then
      return good, nil
    end
    return "timed_out", "late_reply"
  end
  return "timed_out", why_unanswered(call, sight, deadline)
end

-- Judges a request by what was seen until `now`: its status, and the cause of what is not ok, or nil.
function M.verdict(call, sight, now)
  if call.kind == "call" then
    return of_call(call, sight, now)
  end
  return of_message(call, sight, now)
end

return M
