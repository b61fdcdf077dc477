import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import UsageError
from dissector.amqp import Message
from dissector.views.csvtext import neutral
from dissector.views.record import record
from dissector.views.table import TableOptions, TableView, table_options

from .. import wiring
from ..lab import truth


def rows(fields, messages, **options):
    view = TableView(fields, TableOptions(**options))
    return b"".join([*map(view.feed, messages), view.finish()]).decode()


def request(**args):
    inner = {"method": "m", "args": args, "_unique_id": "u", "_msg_id": "i"}
    body = {"oslo.version": "2.0", "oslo.message": msgspec.json.encode(inner).decode()}
    return wiring.published(msgspec.json.encode(body))


def test_columns():
    fields = [
        "frame.number",
        "frame.numbers",
        "ip.addr",
        "amqp.mandatory",
        "amqp.queue",
        "oslo.kind",
        "frame.time_epoch",
    ]
    assert rows(fields, [request()]) == ("80\t79,80\t10.99.0.2,10.99.0.1\tfalse\t\tcall\t1637000000.123456\n")


def test_the_whole_of_json_and_paths_into_it():
    message = request(host="dev20", ports=[{"id": 1}, {"id": "b"}], n=None, o={"x": [1, None]}, e=[])
    cells = rows(["oslo.args", "oslo.args.ports.id", "oslo.args.ports", "oslo.args.n", "oslo.args.o.x"], [message])
    assert cells.rstrip("\n").split("\t") == [
        '{"host":"dev20","ports":[{"id":1},{"id":"b"}],"n":null,"o":{"x":[1,null]},"e":[]}',
        "1,b",
        '[{"id":1},{"id":"b"}]',
        "",
        "[1,null]",
    ]


def test_options():
    message = request(a='say "x", y')
    fields = ["frame.numbers", "oslo.args.a", "amqp.queue"]
    assert rows(fields, [message], header=True, separator=" ") == f'{" ".join(fields)}\n79,80 say "x", y \n'
    assert rows(fields, [message], separator=",", quote='"') == '"79,80","say ""x"", y",\n'
    assert rows(fields, [message], aggregator="/", occurrence="a").startswith("79/80\t")
    assert rows(fields, [message], occurrence="f").startswith("79\t")
    assert rows(fields, [message], occurrence="l").startswith("80\t")
    assert rows(fields, [], header=True) == "\t".join(fields) + "\n"


def test_settings_are_read():
    settings = ["separator=/s", "aggregator=;", "quote=s", "occurrence=l", "header=y"]
    assert table_options(settings) == TableOptions(" ", ";", "'", "l", True)
    assert table_options(["separator=,", "separator=/t", "quote=d", "quote=n", "header=n"]) == TableOptions()


@pytest.mark.parametrize("setting", ["", "header", "header=x", "separator=", "separator=ab", "separator=\x1b", "x=y"])
def test_settings_that_are_none(setting):
    with pytest.raises(UsageError, match=r"-E .*: not one of separator=") as raised:
        table_options([setting])
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("oslo.metod", "-e oslo.metod: no field oslo.metod; nearest: oslo.method"),
        ("oslo", "-e oslo: a group of fields; 'osloshark fields oslo.' lists them"),
        ("oslo.args. x", "a field's name has no spaces"),
        ("", "no field"),
        ("\x1b[0m", "no field"),
    ],
)
def test_columns_that_are_none(field, told):
    with pytest.raises(UsageError) as raised:
        TableView([field])
    assert told in str(raised.value)
    assert str(raised.value).isprintable()


@given(st.text(), st.text())
def test_nothing_breaks_a_row_or_commands_a_terminal(key, value):
    message = request(**{"a": value, "b": {key: [value]}})
    line = rows(["oslo.args.a", "oslo.args.b", "oslo.kind"], [message])
    assert line.endswith("\n")
    cells = line[:-1].split("\t")
    assert len(cells) == 3
    assert all(cell.isprintable() for cell in cells)
    assert msgspec.json.decode(cells[1]) == record(message).oslo.args["b"]


@given(st.lists(st.text(), min_size=3, max_size=3))
def test_quoted_with_commas_it_is_csv(values):
    message = request(a=values[0], b=values[1], c=values[2])
    fields = ["oslo.args.a", "oslo.args.b", "oslo.args.c"]
    plain = rows(fields, [message])[:-1].split("\t")
    (row,) = csv.reader(io.StringIO(rows(fields, [message], separator=",", quote='"')), strict=True)
    assert row == [neutral(cell) for cell in plain]


def test_secrets_are_masked():
    message = request(admin_password="hunter2")
    assert "hunter2" not in rows(["oslo.args", "oslo.args.admin_password"], [message])
    assert "hunter2" in TableView(["oslo.args"], show_secrets=True).feed(message).decode()


def test_events_only_where_asked_for():
    events = wiring.events(truth.captures()["demo"])
    fields = ["frame.number", "event.name"]
    only, whole = TableView(fields), TableView(fields, events=True)
    assert len([event for event in events if only.feed(event)]) == sum(isinstance(e, Message) for e in events)
    names = {whole.feed(event).decode().split("\t")[1].strip() for event in events}
    assert {"", "connection.open", "basic.ack", "end"} <= names
