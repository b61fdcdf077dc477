import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.amqp import Message
from dissector.fields import CallRecord, ClientFields, RpcFields, ServerFields
from dissector.rpc.hot import hot_of
from dissector.rpc.trace import Trace
from dissector.views.ladder import Ladder

from ..lab import truth
from ..rpc.cuts import whole
from ..rpc.story import BEGIN_S, Rpc, Story
from ..wiring import events


def drawn(story: Story, wanted: str = "req-1", **options: object) -> list[str]:
    trace = Trace(wanted)
    for event in story.events:
        trace.feed(event, hot_of(event))
    trace.finish()
    return Ladder(lambda: BEGIN_S * 10**9, **options).draw(trace.calls, trace.messages).decode().splitlines()


def test_a_call():
    story = Story()
    Rpc(story, args={"host": "c1", "admin_password": "x"}).whole(0.5, service=0.25)
    assert drawn(story) == [
        "                   nova-api:7           nova-compute:9",
        "    0.500000            │─────────────────────▶│            call echo  queued 2.00 ms",
        "    0.754000            │◀─────────────────────│            reply echo: ok  service 250.00 ms"
        "  return 2.00 ms  in all 254.00 ms",
        "",
        "call echo  ok",
        "    msg_id: msg-a",
        "    unique_id: unique-a",
        "    request_id: req-1",
        "    args: {",
        '        "host": "c1",',
        '        "admin_password": "***"',
        "    }",
        "    result: 1",
    ]
    assert '        "admin_password": "x"' in drawn(story, show_secrets=True)


def test_a_failure_is_told_with_its_traceback():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0)
    rpc.deliver(0.1)
    failure = '{"class": "NotFound", "module": "nova.exception", "message": "no such", "tb": ["File x\\n", "  y\\n"]}'
    content = rpc.reply(result=None, failure=failure)
    rpc.reply_publish(0.2, content)
    rpc.reply_deliver(0.3, content)
    lines = drawn(story)
    assert "    failure: NotFound: no such" in lines
    assert lines[-2:] == ["        File x", "          y"]
    assert "reply echo: NotFound" in lines[2]
    painted = drawn(story, color=True)
    assert painted[2].startswith("\x1b[31m")
    assert not painted[1].startswith("\x1b")


def test_a_fanout_points_at_everybody():
    story = Story()
    rpc = Rpc(story, timeout=None, u_msg_id=None)
    rpc.publish(0)
    rpc.deliver(0.1)
    rpc.deliver(0.2, story.connection("nova-compute:11"))
    row = drawn(story)[1]
    assert row.count("▶") == 2
    assert "cast echo" in row


def test_an_arrow_to_both_sides():
    story = Story()
    inner = Rpc(story, "b", client="b:2", server="c:3", method="inner")
    Rpc(story, "a", client="a:1", server="b:2").whole()
    inner.whole(1)
    rpc = Rpc(story, "f", client="b:2", timeout=None, u_msg_id=None, method="all")
    rpc.publish(2)
    for program in ("a:1", "c:3"):
        rpc.deliver(2.1, story.connection(program))
    row = drawn(story)[5]
    assert row[12:].split("  ")[-2].strip() == "cast all"
    assert row[24:70] == "│◀" + "─" * 21 + "│" + "─" * 21 + "▶"


def test_a_fanout_to_many_is_drawn_quickly():
    story = Story()
    rpc = Rpc(story, timeout=None, u_msg_id=None)
    rpc.publish(0)
    for number in range(2000):
        rpc.deliver(0.1, story.connection(f"agent:{number}"))
    begin = time.perf_counter()
    assert drawn(story)[1].count("▶") == 2000
    assert time.perf_counter() - begin < 3


def test_what_nobody_took_says_so():
    story = Story()
    Rpc(story).publish(0)
    row = drawn(story)[1]
    assert "↩" in row
    assert row.endswith("call echo  to nova/compute: pending")


def test_sides_that_were_not_seen():
    story = Story()
    rpc = Rpc(story)
    rpc.deliver(0)
    rpc.reply_publish(0.5)
    story.tick(10)
    lines = drawn(story)
    assert lines[0].split("  ")[-1].strip() == "nova-compute:9"
    assert "(not seen)" in lines[0]
    assert "service 500.00 ms" in lines[2]


@pytest.mark.parametrize("name", ["nova-compute:123456789", "x" * 60, "a:" + "9" * 40, "\x1b[31m:1"])
def test_columns_stay_in_line(name):
    story = Story()
    Rpc(story, client=name).whole()
    head, first, second, *_ = drawn(story)
    middles = [index for index, char in enumerate(first) if char == "│"]
    assert middles == [index for index, char in enumerate(second) if char == "│"]
    assert len(middles) == 2
    assert "\x1b" not in head


names = st.sampled_from([None, "", "nova-api:7", "x" * 40, "\x1b[31m\n", "日本:1"])
times = st.sampled_from([None, 0.0, 1.5, 1.6, 2e9])
any_call = st.builds(
    RpcFields,
    **dict.fromkeys(RpcFields.__struct_fields__, st.none()) | dict.fromkeys(("method", "topic", "msg_id"), names),
)
any_call = st.builds(
    msgspec.structs.replace,
    any_call,
    kind=st.sampled_from(["call", "cast"]),
    status=st.sampled_from(["ok", "failed", "pending"]),
    client=st.builds(ClientFields, names, names),
    servers=st.lists(st.builds(ServerFields, names, names, names), max_size=4).map(tuple),
    publish_time=times,
    deliver_time=times,
    reply_publish_time=times,
    reply_deliver_time=times,
)


@settings(max_examples=100)
@given(calls=st.lists(any_call, max_size=5))
def test_any_calls_are_drawn(calls):
    data = Ladder(lambda: 0).draw([CallRecord(rpc) for rpc in calls], [])
    arrows = sum(
        (rpc.publish_time is not None or rpc.deliver_time is not None)
        + (rpc.reply_deliver_time is not None or rpc.reply_publish_time is not None)
        for rpc in calls
    )
    lines = data.decode().split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) > arrows + 2 * len(calls)


def test_a_whole_capture(capture_name):
    calls = [CallRecord(rpc) for rpc in {id(rpc): rpc for rpc in whole(capture_name).values()}.values()]
    messages = [event for event in events(truth.captures()[capture_name]) if isinstance(event, Message)]
    text = Ladder(lambda: 0).draw(calls, messages).decode()
    assert text.count("unique_id: ") >= len([call for call in calls if call.rpc.unique_id is not None])
    assert "gAAAAA" not in text
    assert msgspec.json.decode(msgspec.json.encode(calls), type=list[CallRecord]) == calls
