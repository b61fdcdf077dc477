"""The verdict on a request: how it ended and, where not well, why."""

from dissector import limits
from dissector.rpc.call import (
    CAPTURE_GAP,
    FAILED,
    LATE_REPLY,
    NO_REPLY,
    NO_REQUEST,
    NOT_DELIVERED,
    OK,
    PENDING,
    REPLY_UNROUTABLE,
    SENT,
    TIMED_OUT,
    UNDELIVERED,
    Call,
)
from dissector.rpc.sight import Sight

Verdict = tuple[str, str | None]
"""Status and cause."""


def verdict(call: Call, sight: Sight, now_ns: int) -> Verdict:
    """Judge a request by what was seen until ``now_ns``, the time of a packet."""
    return _of_call(call, sight, now_ns) if call.kind == "call" else _of_message(call, sight, now_ns)


def is_answered_elsewhere(call: Call, sight: Sight, now_ns: int) -> bool:
    """Tell whether a call was answered where the capture does not show its client get replies."""
    return (
        _is_reply_out(call, now_ns)
        and not sight.hears_queue(call.hot.reply_q)
        and (call.publish is None or not sight.hears(call.publish.process))
    )


def misses_legs(call: Call, sight: Sight, now_ns: int) -> bool:
    """Tell whether an answered call lacks a leg that would be in a capture which shows all connections."""
    if call.is_answered:
        lacks = (call.publish is not None and not call.delivers) or (bool(call.delivers) and call.reply_publish is None)
    else:
        lacks = call.publish is not None and _is_reply_out(call, now_ns) and not sight.hears_queue(call.hot.reply_q)
    return lacks and not sight.may_hide(call.begin_ns, now_ns)


def _is_reply_out(call: Call, now_ns: int) -> bool:
    """Tell whether the last reply was published long enough ago to have come, or to have come back."""
    return (
        call.reply_published_ns is not None
        and not call.reply_returned
        and now_ns - call.reply_published_ns >= limits.REPLY_SEEN_NS
    )


def _may_hide_return(call: Call, sight: Sight, now_ns: int) -> bool:
    """Tell whether the broker may have given the last reply back where packets of its server are missing."""
    if call.reply_published_ns is None or call.reply_publish is None:
        return False
    until_ns = min(call.reply_published_ns + limits.REPLY_SEEN_NS, now_ns)
    return sight.may_hide(call.reply_published_ns, until_ns, [call.reply_publish.process])


def _of_message(call: Call, sight: Sight, now_ns: int) -> Verdict:
    if call.delivers:
        return SENT, None
    if call.returned:
        return UNDELIVERED, NOT_DELIVERED
    if now_ns - call.begin_ns < limits.UNDELIVERED_NS or not sight.shows_deliveries:
        return PENDING, None
    return UNDELIVERED, CAPTURE_GAP if sight.may_hide(call.begin_ns, now_ns) else NOT_DELIVERED


def _of_call(call: Call, sight: Sight, now_ns: int) -> Verdict:
    # Where the publish was not seen, the deadline is only the latest that it can be.
    deadline = call.deadline_ns
    good: Verdict = (OK if call.failure is None else FAILED, None)
    if call.hot is NO_REQUEST:
        return PENDING, REPLY_UNROUTABLE if call.reply_returned else None  # who knows whether it was in time
    if call.msg_id is None:
        return PENDING, None  # its replies cannot be told from another's
    if call.is_answered:
        assert call.reply_deliver is not None
        return (TIMED_OUT, LATE_REPLY) if deadline is not None and call.reply_deliver.time_ns > deadline else good
    is_late = deadline is not None and call.reply_publish is not None and call.reply_publish.time_ns > deadline
    if is_answered_elsewhere(call, sight, now_ns):
        if _may_hide_return(call, sight, now_ns):
            return PENDING, CAPTURE_GAP
        return (TIMED_OUT, LATE_REPLY) if is_late else good
    if deadline is None or now_ns <= deadline:
        return PENDING, REPLY_UNROUTABLE if call.reply_returned else NOT_DELIVERED if call.returned else None
    if call.reply_returned:
        return TIMED_OUT, REPLY_UNROUTABLE
    if _may_hide_return(call, sight, now_ns):
        return TIMED_OUT, CAPTURE_GAP
    if is_late:
        return TIMED_OUT, LATE_REPLY
    if not _would_show_answer(call, sight):
        return PENDING, None
    if call.reply_published_ns is not None:
        clients = None if call.publish is None else [call.publish.process]
        return good if sight.may_hide(call.reply_published_ns, deadline, clients) else (TIMED_OUT, LATE_REPLY)
    return TIMED_OUT, _why_unanswered(call, sight, deadline)


def _would_show_answer(call: Call, sight: Sight) -> bool:
    """Tell whether the capture would show an answer that the client or, failing that, the server was seen without."""
    if sight.hears_queue(call.hot.reply_q):
        return True
    if call.reply_published_ns is not None:
        return False
    if call.publish is not None:
        return sight.hears(call.publish.process) and sight.shows_processes
    return any(sight.speaks(leg.process) for leg in call.delivers.values()) and sight.shows_processes


def _why_unanswered(call: Call, sight: Sight, deadline_ns: int) -> str | None:
    if call.returned:
        return NOT_DELIVERED
    if sight.may_hide(call.begin_ns, deadline_ns, call.processes if call.delivers else None):
        return CAPTURE_GAP
    if call.delivers:
        return NO_REPLY
    return NOT_DELIVERED if sight.shows_deliveries else None
