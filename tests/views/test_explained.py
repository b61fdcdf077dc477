import pytest

from dissector.explain.tree import Explained, Node, Source
from dissector.views.explained import dump, explained_lines, node_text

from ..cli.command import osloshark
from ..lab import truth

DEMO = truth.captures()["demo"]


def test_read_shows_tree_and_bytes():
    done = osloshark("read", "-V", "--bytes", "-c", "2", DEMO)
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert sum(line.startswith("-- frames: ") for line in lines) == 2
    assert any(line.endswith("method: report_state") for line in lines)
    assert b"auth_token: ***" in done.stdout
    assert b'7b 22 6f 73 6c 6f 2e 76  65 72 73 69 6f 6e 22 3a  {"oslo.version":' in done.stdout


def test_events_are_explained_too():
    done = osloshark("read", "-V", "--bytes", "--events", "-Y", 'event.name == "queue.declare"', DEMO)
    assert b"method: queue.declare\n" in done.stdout
    assert b"durable: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--bytes"], "--bytes goes with -V"), (["-V", "--bytes", "-T", "jsonl"], "-V goes with -T text")],
)
def test_options_that_do_not_go_together(arguments, reason):
    done = osloshark("read", *arguments, DEMO)
    assert done.returncode == 2
    assert reason in done.stderr.decode()


def test_a_dump_tells_what_is_not_shown():
    data = bytes(range(0x40, 0x80)) + bytes(40)
    lines = list(dump(Source("packet 1", data, hidden=((24, 28), (64, 104)))))
    assert lines[0] == "0000  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO"
    assert lines[1] == "0010  50 51 52 53 54 55 56 57  ·· ·· ·· ·· 5c 5d 5e 5f  PQRSTUVW    \\]^_"
    assert lines[-1] == "0040  40 bytes that are not of this message"
    assert len(lines) == 5


def test_nothing_from_the_wire_is_written_as_it_is():
    node = Node("na\x1b[2Jme", "va\nlue\u202e", 0, 0, 3, reason="rea\rson")
    assert node_text(node) == "na\\x1b[2Jme: va\\nlue\\u202e  (rea\\rson)"
    explained = Explained("title", [Source("bo\x07dy", b"\x1b\xff\n")], [node])
    assert all(line.isprintable() for line in explained_lines(explained))
