import asyncio
import html
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import msgspec
import pytest

import dissector
from dissector.capture import open_capture
from dissector.reading import Reading
from dissector.tui.app import OslosharkApp
from dissector.tui.detail import BytesPane, ExplainedTree
from dissector.tui.listing import VirtualList
from dissector.tui.messages import MessagesPane
from dissector.tui.session import Session
from docs.screenshot import HERE as PICTURES
from docs.screenshot import SCREENS

from .. import canary
from ..lab import truth
from .pilot import driven, press, running, screen, settled, text

DEMO = truth.captures()["demo"]


@driven
async def test_the_messages_are_those_that_read_shows():
    async with running(DEMO, size=(160, 40)) as pilot:
        records = list(dissector.read(DEMO))
        shown = pilot.app.query_one("#message-list", VirtualList)
        assert len(shown.lines) == len(records)
        for position, record in enumerate(records):
            line, _ = shown.lines.line(position, 150)
            assert line.split()[:3] == [str(record.frame.number), line.split()[1], record.amqp.leg]
            assert not record.oslo or record.oslo.kind in line
        assert f"all read · {len(records)} messages" in text(pilot)
        assert screen(pilot)[2].startswith(f"{records[0].frame.number:>7} ")


@driven
async def test_the_cursor_moves():
    async with running(DEMO) as pilot:
        second = list(dissector.read(DEMO))[1]
        for keys in (("j", "j", "k"), ("g", "down", "down", "up"), ("G", "g", "j"), ("pagedown", "home", "down")):
            await press(pilot, *keys)
            assert pilot.app.query_one("#message-list", VirtualList).cursor == 1
            assert f"packet {second.frame.number}: {second.amqp.leg}" in text(pilot)
        shown = pilot.app.query_one("#message-list", VirtualList)
        page = shown.size.height - 1
        for key, cursor in (("home", 0), ("ctrl+d", page // 2), ("ctrl+u", 0), ("space", page), ("ctrl+f", 2 * page)):
            await press(pilot, key)
            assert shown.cursor == cursor, key
        for key, cursor in (("ctrl+b", page), ("pageup", 0), ("k", 0), ("end", 81), ("j", 81)):
            await press(pilot, key)
            assert shown.cursor == cursor, key


@driven
async def test_a_list_that_grows_stays_where_it_is_looked_at(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = DEMO.read_bytes()
    pieces = [data[begin : begin + 30_000] for begin in range(30_000, 150_000, 30_000)]
    pieces[0] = data[:60_000]
    with ThreadPoolExecutor() as threads, ExitStack() as ending:
        opened = threads.submit(path.open, "wb", 0)
        session = Session(Reading([str(path)]), [str(path)])
        app = OslosharkApp(session)

        async def fed(pilot):
            """Write the next piece, and wait for what comes of it; how many messages there were and are."""
            before = len(session.index)
            opened.result().write(pieces.pop(0))
            async with asyncio.timeout(20):
                while len(session.index) == before:
                    await pilot.pause(0.01)
            await pilot.pause(0.2)
            await settled(pilot)
            return before, len(session.index)

        async with app.run_test(size=(100, 30)) as pilot:
            shown = app.query_one("#message-list", VirtualList)
            ending.enter_context(opened.result())
            await settled(pilot)
            assert "no messages yet" in text(pilot)
            await fed(pilot)
            await press(pilot, "j", "j")
            seen = [line[:98] for line in screen(pilot)[2:6]]
            await fed(pilot)
            assert (shown.cursor, shown.scroll_offset.y) == (2, 0)
            assert [line[:98] for line in screen(pilot)[2:6]] == seen
            await press(pilot, "G")
            _, count = await fed(pilot)
            assert shown.cursor == count - 1
            await press(pilot, "P")
            assert "held" in text(pilot)
            before, _ = await fed(pilot)
            assert shown.virtual_size.height == before
            await press(pilot, "P")
            assert shown.virtual_size.height == len(session.index)
            await press(pilot, "escape")
            assert "stopped" in text(pilot)
        assert session.is_stopped


@driven
async def test_the_pictures_in_the_readme_are_what_is_shown():
    for name, keys in SCREENS.items():
        async with running(DEMO, size=(120, 34)) as pilot:
            await press(pilot, *keys)
            drawn, kept = pilot.app.export_screenshot(), (PICTURES / name).read_text()
            assert texts(drawn) == texts(kept), f"make screenshot: {name}"


def texts(svg):
    """The texts of a picture, with the names of their styles left out, as they go with the version of textual."""
    return [html.unescape(found).replace("\xa0", " ") for found in re.findall(r"<text[^>]*>([^<]*)</text>", svg)][1:]


@driven
async def test_a_node_marks_its_bytes_and_a_byte_finds_its_node():
    async with running(DEMO) as pilot:
        await press(pilot, "enter")
        tree, pane = pilot.app.query_one(ExplainedTree), pilot.app.query_one(BytesPane)
        assert tree.has_focus
        while tree.cursor_node.data.name != "method":
            await press(pilot, "j")
        node = tree.cursor_node.data
        assert pane.marked == (node.start, node.end)
        assert pane.marked_bytes == b'\\"method\\": \\"report_state\\"'
        await press(pilot, "tab")
        assert pane.has_focus
        await press(pilot, *["down"] * 6)
        found = tree.cursor_node.data
        assert found.start <= pane.cursor < found.end
        assert pane.marked == (found.start, found.end)
        assert found.name != "method"
        await press(pilot, "escape")
        assert pilot.app.query_one("#message-list").has_focus


@driven
async def test_a_pane_alone_and_back():
    async with running(DEMO, size=(80, 24)) as pilot:
        await press(pilot, "enter", "z")
        assert pilot.app.query_one(ExplainedTree).size.width > 70
        assert not pilot.app.query_one("#message-list").display
        await press(pilot, "z")
        assert pilot.app.query_one("#message-list").display
        await press(pilot, "z", "escape")
        assert pilot.app.query_one("#message-list").display


@driven
async def test_a_filter_shows_what_read_shows():
    expression = 'oslo.method == "report_state" && amqp.leg == "publish"'
    async with running(DEMO) as pilot:
        await press(pilot, "slash", *"oslo")
        pilot.app.query_one("#filter-input").value = expression
        await press(pilot, "enter")
        expected = [r for r in dissector.read(DEMO) if r.oslo and r.oslo.method == "report_state"]
        expected = [r.frame.number for r in expected if r.amqp.leg == "publish"]
        shown = pilot.app.query_one("#message-list", VirtualList).lines
        numbers = [int(shown.line(position, 100)[0].split()[0]) for position in range(len(shown))]
        assert numbers == expected
        assert f"{len(expected)} of 82 messages: {expression}" in text(pilot)
        await press(pilot, "c")
        assert "82 messages" in text(pilot)
        assert len(pilot.app.query_one("#message-list", VirtualList).lines) == 82


@driven
async def test_a_filter_that_looks_into_messages():
    async with running(DEMO, expression='oslo.args.agent_state.agent_state.host == "compute1"') as pilot:
        expected = [
            record
            for record in dissector.read(DEMO)
            if record.oslo
            and '"compute1"' in msgspec.json.encode(record.oslo.args).decode()
            and "agent_state" in (record.oslo.args or {})
        ]
        assert len(pilot.app.query_one("#message-list", VirtualList).lines) == len(expected) > 2


@driven
async def test_a_filter_is_completed_and_errors_are_told_in_their_place():
    async with running(DEMO) as pilot:
        await press(pilot, "slash", *"oslo.meth")
        assert "oslo.method" in text(pilot)
        await press(pilot, "tab")
        assert pilot.app.query_one("#filter-input").value == "oslo.method"
        await press(pilot, *" == ")
        assert "a value is expected" in text(pilot)
        await press(pilot, "enter")
        assert pilot.app.query_one("#filter-input").has_focus
        await press(pilot, "escape")
        assert pilot.app.query_one("#message-list").has_focus
        assert "82 messages" in text(pilot)


@driven
async def test_fields_of_calls_belong_to_calls():
    async with running(DEMO) as pilot:
        await press(pilot, "slash", *"rpc.status", "enter")
        assert "messages have no rpc.* fields" in text(pilot)
        await press(pilot, "escape", "2", "slash")
        pilot.app.query_one("#filter-input").value = 'rpc.status == "failed"'
        await press(pilot, "enter")
        assert "attach_interface" in text(pilot)
        assert "1 of 25 calls" in text(pilot)
        await press(pilot, "slash")
        pilot.app.query_one("#filter-input").value = 'rpc.status == "ok" && oslo.args.agent_state'
        await press(pilot, "enter")
        assert "6 of 25 calls" in text(pilot)
        await press(pilot, "slash", *" && oslo.res")
        assert "oslo.result" in text(pilot)


@driven
async def test_a_list_without_lines_says_why(tmp_path):
    path = tmp_path / "header.pcap"
    path.write_bytes(DEMO.read_bytes()[:24])
    async with running(path) as pilot:
        assert "no messages in 0 packets; --port names" in screen(pilot)[2]
        await press(pilot, "G", "enter", "j", "tab", "y", "2", "enter", "x", "d", "f", "3", "enter", "4", "5", "1")
        assert "no messages" in screen(pilot)[2]
    async with running(DEMO, expression="frame.number == 1") as pilot:
        assert "no messages that match; c shows all" in screen(pilot)[2]
        await press(pilot, "c")
        assert "no messages" not in text(pilot)


@driven
async def test_the_ladder_has_the_times_of_the_record():
    async with running(DEMO, size=(120, 40)) as pilot:
        await press(pilot, "2")
        call = pilot.app._session.calls[0].rpc
        await press(pilot, "enter")
        shown = text(pilot)
        first = pilot.app._session.reading.first_time_ns / 1e9
        for name in ("publish", "confirm", "deliver", "ack", "reply_publish", "reply_deliver"):
            time = getattr(call, f"{name}_time")
            assert f"{time - first:.6f}" in shown, name
        for name in ("latency_s", "queue_wait_s", "service_s", "return_s"):
            assert f"{getattr(call, name) * 1000:.2f} ms" in shown
        assert call.msg_id in shown
        assert "neutron-dhcp-agent:20882" in shown.splitlines()[1]
        assert "broker" in shown.splitlines()[1]
        await press(pilot, "escape", "x")
        assert '"oslo.version": "2.0"' in text(pilot)
        await press(pilot, "G")
        assert "reply_deliver, packet" in text(pilot)


@driven
async def test_two_calls_are_compared():
    async with running(DEMO, size=(120, 40)) as pilot:
        await press(pilot, "2", "d", "j", "d")
        shown = text(pilot)
        assert '-      "binary": "neutron-dhcp-agent",' in shown
        assert '+      "binary": "neutron-openvswitch-agent",' in shown


@driven
async def test_a_request_is_followed_over_services():
    async with running(truth.captures()["neutron-nova"], size=(140, 40)) as pilot:
        records = list(dissector.read(truth.captures()["neutron-nova"]))
        pane = pilot.app.query_one(MessagesPane)
        start = next(at for at, record in enumerate(records) if record.oslo and record.oslo.kind == "call")
        pane.list.move_to(start)
        await press(pilot, "f")
        request_id = records[start].oslo.request_id
        asked = {
            at
            for at, record in enumerate(records)
            if record.oslo
            and request_id in (record.oslo.request_id, (record.oslo.context or {}).get("global_request_id"))
        }
        msg_ids = {records[at].oslo.msg_id for at in asked} - {None}
        answers = {at for at, record in enumerate(records) if record.oslo and record.oslo.msg_id in msg_ids}
        assert list(pane.search.rows) == sorted(asked | answers)
        assert len(asked | answers) > len(asked)
        assert f"of {request_id}" in text(pilot)


@driven
async def test_a_method_leads_to_its_calls():
    async with running(DEMO, size=(120, 30)) as pilot:
        await press(pilot, "3")
        await settled(pilot)
        assert screen(pilot)[2].startswith("report_state ")
        await press(pilot, "enter")
        assert '6 of 25 calls: rpc.method == "report_state"' in text(pilot)


@driven
async def test_topology_and_agents():
    async with running(DEMO, size=(120, 30)) as pilot:
        await press(pilot, "4")
        assert "Connections (21)" in text(pilot)
        narrow = text(pilot)
        await press(pilot, "z")
        assert text(pilot) != narrow
        await press(pilot, "5")
        assert "DHCP agent" in text(pilot)
        assert "Who calls whom" in text(pilot)


@driven
async def test_times_are_told_in_turn():
    async with running(DEMO) as pilot:
        seen = set()
        for _ in range(5):
            seen.add(screen(pilot)[3].split()[1])
            await press(pilot, "t")
        assert len(seen) >= 4
        assert screen(pilot)[3].split()[1] == "0.121410"


@driven
async def test_marked_messages_are_gone_through_and_saved(tmp_path):
    async with running(DEMO, size=(240, 30)) as pilot:
        await press(pilot, "m", "j", "m", "j", "j", "m", "g")
        shown = pilot.app.query_one("#message-list", VirtualList)
        assert "3 marked" in text(pilot)
        await press(pilot, "n")
        assert shown.cursor == 2
        await press(pilot, "n")
        assert shown.cursor == 5
        await press(pilot, "p")
        assert shown.cursor == 2
        path = tmp_path / "chosen.pcapng"
        await press(pilot, "w")
        pilot.app.screen.query_one("#answer").value = str(path)
        await press(pilot, "enter")
        assert "3 packets of 3 messages" in text(pilot)
        records = list(dissector.read(DEMO))
        saved = [record.oslo.msg_id for record in dissector.read(path)]
        assert saved == [records[at].oslo.msg_id for at in (0, 2, 5)]
        assert path.stat().st_mode & 0o777 == 0o600
        await press(pilot, "w")
        pilot.app.screen.query_one("#answer").value = str(path)
        await press(pilot, "enter")
        assert "is there already" in text(pilot)


@driven
async def test_what_is_copied():
    async with running(DEMO) as pilot:
        await press(pilot, "y")
        first = next(dissector.read(DEMO))
        assert pilot.app.clipboard.encode() == msgspec.json.encode(first)
        await press(pilot, "enter", "j", "y")
        assert pilot.app.clipboard == "2.0"
        await press(pilot, "tab", "y")
        assert pilot.app.clipboard == b'"oslo.version": "2.0"'.hex()
        await press(pilot, "2", "y")
        assert json.loads(pilot.app.clipboard)["type"] == "call"


@driven
async def test_the_mouse_works():
    async with running(DEMO) as pilot:
        await pilot.click("#message-list", offset=(10, 3))
        await settled(pilot)
        assert pilot.app.query_one("#message-list", VirtualList).cursor == 3
        await pilot.click("#bytes", offset=(6 + 3, 0))
        await settled(pilot)
        assert pilot.app.query_one(BytesPane).cursor == 1
        assert pilot.app.query_one(ExplainedTree).cursor_node.data.name == "oslo.version"
        await pilot.click("#tabs", offset=(len(" osloshark  1 Messages  2 C"), 0))
        await settled(pilot)
        assert "25 calls" in text(pilot)


@driven
async def test_help_names_every_key():
    async with running(DEMO) as pilot:
        await press(pilot, "question_mark")
        assert "display filter" in text(pilot)
        assert max(map(len, screen(pilot))) <= 100
        await press(pilot, "q")
        assert "82 messages" in text(pilot)


@driven
@pytest.mark.parametrize("size", [(80, 24), (20, 5), (200, 60)])
async def test_every_size_is_drawn(size):
    async with running(DEMO, size=size) as pilot:
        for keys in (("enter", "tab"), ("2", "enter"), ("escape", "3"), ("4",), ("5",), ("1", "slash")):
            await press(pilot, *keys)
            assert all(len(line) <= size[0] for line in screen(pilot))


@driven
async def test_no_secret_and_nothing_that_commands_the_terminal_is_on_screen(tmp_path):
    path = tmp_path / "canary.pcap"
    put = canary.build(path)
    async with running(path, size=(200, 50)) as pilot:
        shown = pilot.app.query_one("#message-list", VirtualList)
        lines = [shown.lines.line(position, 10_000)[0] for position in range(len(shown.lines))]
        assert not put.found("\n".join(lines).encode())
        assert all(line.isprintable() for line in lines)
        for position in range(0, len(lines), 7):
            shown.move_to(position)
            await pilot.pause()
            assert not put.found(text(pilot).encode())
        for key in ("2", "x", "escape", "enter", "escape", "3", "4", "5"):
            await press(pilot, key)
            assert not put.found(text(pilot).encode())
            assert all(line.isprintable() for line in screen(pilot))


@driven
async def test_a_compressed_capture_and_two_at_once():
    for paths in ([truth.captures()["big-bodies"]], [DEMO, truth.captures()["verdicts"]]):
        async with running(*paths) as pilot:
            session = pilot.app._session
            assert all(session.index.message(row) is not None for row in range(len(session.index)))
            await press(pilot, "G", "enter")
            assert "body" in text(pilot)
            with open_capture([str(path) for path in paths]) as capture:
                assert session.reading.completeness.packets == sum(len(batch) for batch in capture)


@driven
async def test_a_large_message_is_taken_apart_beside_the_screen():
    async with running(truth.captures()["big-bodies"]) as pilot:
        index = pilot.app._session.index
        large = max(range(len(index)), key=index.body_size)
        assert index.body_size(large) > 128 << 10
        pilot.app.query_one("#message-list", VirtualList).move_to(large)
        await settled(pilot)
        await settled(pilot)
        assert f"body: {index.body_size(large):,} bytes" in text(pilot)
        assert f"packet {index.number(large)}: " in text(pilot)
