"""Nothing from the wire commands a terminal, forges a line or runs in a spreadsheet: in any output there is."""

import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from pika import BasicProperties, spec

from dissector.cli.main import EXIT_USAGE

from . import outputs
from .canary import Bus, Talk, content, enveloped, method, opened, pcap
from .cli.test_read import on_terminal

NASTY = {
    "controls": "".join(map(chr, range(32))) + "\x7f",
    "C1": "".join(map(chr, range(0x80, 0xA0))),
    "clipboard": "\x1b]52;c;b3dubmVk\x07",
    "title": "\x1b]0;owned\x1b\\",
    "link": "\x1b]8;;http://evil/\x07click\x1b]8;;\x07",
    "CSI": "\x1b[2J\x1b[1;1H\x9b31m",
    "device": '\x1bP$q"p\x1b\\\x1bZ\x1b[c',
    "bidi": "\u202a\u202b\u202c\u202d\u202eevil\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "lines": "a\nosloshark: forged\r\vb\fc\x85d\u2028e\u2029f",
    "unseen": "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u3164\ufe0f\U000e0101\U000e0041\U000e007f",
    "private": "\ue000\U0010fffd\ufffe\U0001ffff",
    "markup": "[red]red[/red][link=http://evil/]x[/link]:smile:",
    "wide": "東京 ｆｕｌｌ e\u0301 👍",
    "graph": 'a"];}\\"&#27;<b>&lt;\\N',
    "long": "x" * 120,
}
FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "a;=1+1", "＝1", " =1", '"=1']
SGR = re.compile(r"\x1b\[[0-9;]*m")
UNSEEN = {"\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"} | {chr(at) for at in range(0xFE00, 0xFE10)}
CALL = "73a8fe4c00000000000000000000beef"


def commands_in(text: str, *, allowed: str = "\n") -> set[str]:
    """What in a text a terminal obeys, or does not show."""
    return {
        char
        for char in set(text)
        if char not in allowed
        and (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or char in UNSEEN)
    }


def short(text: str) -> str:
    """A text as a short string takes it."""
    return text.encode()[:255].decode(errors="ignore")


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A capture with something nasty in every place that is shown."""
    packets: list[tuple[int, bytes]] = []
    for number, text in enumerate([*NASTY.values(), *FORMULAS]):
        client = {"connection_name": f"{text}:7:uuid", "product": text, "version": text, "platform": text, text: text}
        server = {"cluster_name": f"rabbit@{text}", "product": text}
        response = b"\0" + text.encode() + b"\0x"
        talk = opened(packets, 43_000 + number, client=client, server=server, response=response, vhost=short(text))
        bus = Bus(talk)
        name = short(text)
        queue = short(f"reply_{text}")
        for each in (name, queue):
            talk.client(method(1, spec.Queue.Declare(queue=each, arguments={name: text})))
            talk.broker(method(1, spec.Queue.DeclareOk(each, 1, 1)))
        talk.client(method(1, spec.Exchange.Declare(exchange=name, type=name)))
        talk.broker(method(1, spec.Exchange.DeclareOk()))
        talk.client(method(1, spec.Queue.Bind(queue=name, exchange=name, routing_key=name, arguments={name: text})))
        talk.broker(method(1, spec.Queue.BindOk()))
        talk.client(method(1, spec.Basic.Consume(queue=name, consumer_tag=name)))
        talk.broker(method(1, spec.Basic.ConsumeOk(name)))
        texts = dict.fromkeys(("content_type", "content_encoding", "correlation_id", "reply_to", "expiration",
                               "message_id", "type", "user_id", "app_id", "cluster_id"), name)  # fmt: skip
        properties = BasicProperties(headers={name: text, "raw": b"\xff\x1b" + text.encode(), "CC": [text]}, **texts)
        ids = {"_msg_id": CALL if not number else f"{text}{number}", "_unique_id": f"u{text}", "_reply_q": queue}
        context = {"_context_request_id": f"req-{text}", f"_context_{text}": text}
        call = {"method": text, "namespace": text, "version": text, "args": {text: text, "list": [text]}}
        bus.send(enveloped({**call, **ids, **context}), properties, exchange=name, key=name)
        failure = json.dumps({"class": text, "module": text, "message": text, "tb": [text, text]})
        reply = {"failure": failure, "ending": True, "_msg_id": ids["_msg_id"], "_unique_id": f"r{text}"}
        bus.send(enveloped(reply), exchange="", key=queue)
        report = {"agent_state": {"agent_state": {"agent_type": text, "host": text, "binary": text, "topic": text}}}
        for at in range(2):
            bus.send(enveloped({"method": "report_state", "args": report, "_unique_id": f"{at}{text}"}), exchange=name)
        notification = {"event_type": text, "publisher_id": text, "priority": text, "payload": {text: text}}
        bus.send(enveloped({**notification, "message_id": text, "_unique_id": f"n{text}"}), key=name)
        surrogate = '{"method": "\\ud800", "args": {"\\udfff": 1}, "_unique_id": "s' + f'{number}"}}'
        for octets in (text.encode(), b"\xff\x1b]0;x\x07" + text.encode(), surrogate.encode(), b'{"a": '):
            bus.send(octets, properties)
        talk.broker(content(spec.Basic.Return(312, name, name, name), b"x", properties))
        talk.broker(method(0, spec.Connection.Blocked(name)))
        talk.broker(method(1, spec.Channel.Close(406, name, 50, 10)))
        talk.client(method(1, spec.Channel.CloseOk()))
        talk.client(method(0, spec.Connection.Close(320, name, 0, 0)))
        talk.close()
    mechanism = opened(packets, 44_000, mechanism=short(NASTY["title"]), response=b"x")
    mechanism.close()
    for number, greeting in enumerate(
        (b"\x16\x03\x01\0\x05\x01\0\0\x01\0", b"AMQP\x1b]0;x\x07", b"HTTP/1.1 \x1b[2J\r\n")
    ):
        foreign = Talk(packets, 44_100 + number)
        foreign.client(greeting)
        foreign.broker(greeting)
    path = tmp_path_factory.mktemp("terminal") / "nasty.pcap"
    path.write_bytes(pcap(packets, link_type=101))
    return path


@pytest.fixture(scope="module")
def sample(capture, tmp_path_factory):
    filters = ["oslo || event || body", f'oslo.method == "{NASTY["title"]}', f"{NASTY['link']} == 1", "no.such\x1b[2J"]
    return outputs.Sample([capture], tmp_path_factory.mktemp("out"), CALL, "reply_", filters)


def test_what_a_terminal_obeys_is_known():
    for name, text in NASTY.items():
        assert bool(commands_in(text)) is (name not in ("markup", "wide", "graph", "long")), name


@pytest.mark.parametrize("command", outputs.commands())
def test_no_output_of_any_command_commands_a_terminal(sample, command):
    for words in outputs.command_lines(sample, command):
        done = outputs.run(words, sample.folder / "output")
        line = f"osloshark {' '.join(words)!r}"
        assert done.status in (0, 1, 2), line
        text = done.output.decode()
        if "--color" in words:
            text = SGR.sub("", text)
        tabs = {"table", "fields", "trace-text"}.intersection(words)
        assert not commands_in(text, allowed="\n\t" if tabs else "\n"), line
        assert not commands_in(done.errors.decode()), line
        errors = done.errors.decode().splitlines()
        assert "osloshark: forged" not in errors, line
        if "jsonl" in words or "trace-json" in words:
            assert all(isinstance(json.loads(one), dict) for one in text.splitlines()), line
        if "csv" in words:
            check_csv(text)
        if "dot" in words:
            check_dot(text)


_LABEL = r'"(?:[^"\\&]|\\[\\"n]|&amp;)*"'
_ATTRIBUTES = rf"\[(?:(?:, )?(?:\w+=(?:\w+|{_LABEL})))*\]"
_STATEMENT = re.compile(
    rf" *(?:(?:n\d+(?: -> n\d+)?|graph|node|edge) {_ATTRIBUTES};"
    rf"|label={_LABEL};|subgraph cluster_\d+ {{|}}|digraph \w+ {{)"
)


def check_dot(text: str) -> None:
    """Each line is one of the statements that are written, and every quote is closed: no text adds another."""
    for line in text.splitlines():
        assert _STATEMENT.fullmatch(line), line


def check_csv(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text), strict=True))
    assert len({len(row) for row in rows}) <= 1, "none at all where there was an error"
    for row in rows:
        for cell in row:
            is_number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
            assert is_number or not re.match(r"[\s\"]*[=+\-@＝＋－＠\t\r]", cell), cell
    for line in text.splitlines():  # as where semicolons stand between cells
        for cell in re.split(r"[;|]", line)[1:]:
            assert not re.match(r"[\s\"]*[=+\-@＝＋－＠]", cell), line


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_table_with_commas_is_safe_to_open_too(separator, capture):
    fields = ["oslo.method", "amqp.exchange", "oslo.args", "frame.number", "amqp.user"]
    words = ["-T", "table", "-E", f"separator={separator}", "-E", "quote=d", *[f"-e{field}" for field in fields]]
    text = outputs.run(["read", *words, str(capture)]).output.decode()
    rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    assert len({len(row) for row in rows}) == 1
    assert not [cell for row in rows for cell in row if re.match(r"[=+\-@＝]", cell)]
    assert [cell for row in rows for cell in row if cell.startswith("'=cmd")]


def test_the_corpus_reaches_what_is_shown(capture):
    """The same texts are there, written out."""
    shown = outputs.run(["read", "-T", "jsonl", "--events", str(capture)]).output.decode()
    whole = [json.loads(line) for line in shown.splitlines()]
    for text in NASTY.values():
        assert any(one.get("oslo") and one["oslo"]["method"] == text for one in whole if one["type"] == "message")
    plain = outputs.run(["read", "-V", str(capture)]).output.decode()
    for part in (
        r"\x1b]52;c;b3dubmVk\x07",
        r"\x9b31m",
        r"\u202eevil\u2066",
        r"\u2028e\u2029f",
        r"\U000e0041",
        r"\ufe0f",
    ):
        assert part in plain


@pytest.mark.parametrize("words", [["topology"], ["agents"], ["read"], ["stats"], ["calls"]], ids=" ".join)
def test_markup_is_no_markup(words, capture):
    text = outputs.run([*words, "--wide", str(capture)] if words != ["stats"] else [*words, str(capture)]).output
    assert b"[red]red[/red]" in text


@pytest.mark.parametrize(
    "words",
    [["read"], ["read", "-V"], ["read", "--events"], ["topology"], ["agents"], ["calls"], ["stats"], ["trace", CALL]],
    ids=" ".join,
)
def test_on_a_terminal_only_colours_are_left(words, capture):
    shown = on_terminal(*words, capture)
    assert not commands_in(SGR.sub("", shown).replace("\r\n", "\n"))


def test_names_of_files_are_written_out(capture, tmp_path):
    title = tmp_path / "\x1b]0;owned\x07\u202e\n.pcap"
    for words in (["read", str(title)], ["read", "-o", f"{title}/x", str(capture)], ["-\x1b[2J"], ["\x1b[2J"],
                  ["read", "-T", "\x1b[2J"], ["read", "--\x1b[2J"], ["trace", "\x1b[2J", str(capture)],
                  ["topology", "--queue", "\x1b[3J", str(capture)], ["fields", "\x1b[2J"],
                  ["calls", "--status", "\x1b[2J"], ["topology", "--only", "\x1b[2J"], ["read", "-E", "\x1b[2J=\n"],
                  ["read", "-T", "table", "-e", "oslo.\x1b[2J", str(capture)]):  # fmt: skip
        done = outputs.run(words)
        assert done.status in (1, EXIT_USAGE), words
        assert not commands_in(done.errors.decode()), words
        assert done.errors.startswith(b"osloshark: ")
    title.write_bytes(Path(capture).read_bytes()[:-10])
    done = outputs.run(["read", str(title)])
    assert r"\x1b]0;owned\x07\u202e\n.pcap" in done.errors.decode()
    assert not commands_in(done.errors.decode())


def test_wide_names_keep_their_columns(capture):
    table = outputs.run(["stats", "--by", "method", str(capture)]).output.decode().splitlines()
    ends = {sum(1 + (unicodedata.east_asian_width(char) in "WF") - bool(unicodedata.combining(char)) for char in line)
            for line in table if re.search(r"東京|^report_state|^\[red", line)}  # fmt: skip
    assert len(ends) <= 2, "all lines are filled up to the same column, but for the width of the last one"
