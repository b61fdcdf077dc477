"""Tables hold what the records hold: every field, in a column of its type, for pandas and polars too."""

import datetime
import json
import sys

import msgspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dissector
from dissector import limits
from dissector.fields import FIELDS, FrameFields, PropertiesFields, fields_of
from dissector.filter import record_lookup

from ..lab import truth

CAPTURES = truth.captures()
DEMO = CAPTURES["demo"]
TYPES = {
    "string": pa.string(),
    "address": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
}
UTC = pa.timestamp("ns", tz="UTC")
TIMES = {
    "frame.time_epoch",
    "amqp.properties.timestamp",
    *(f"rpc.{name}_time" for name in ("publish", "confirm", "deliver", "ack", "reply_publish", "reply_deliver")),
}


@pytest.mark.parametrize("give", [dissector.read, dissector.calls], ids=["messages", "calls"])
def test_columns_are_the_registry(give):
    run = give(DEMO)
    names = list(fields_of(run.kind))
    schema = dissector.to_arrow(run).schema
    assert schema.names == names
    assert set(names) <= set(FIELDS)
    for name, field in fields_of(run.kind).items():
        wanted = UTC if name in TIMES else TYPES[field.type.removesuffix("[]")]
        column = schema.field(name)
        assert column.type == (pa.list_(wanted) if field.type.endswith("[]") else wanted), name
        assert column.metadata[b"meaning"].decode() == field.meaning
        assert column.metadata.get(b"unit", b"").decode() == (field.unit or "")


def plain(name: str, value: object) -> object:
    """What a column should hold, of what filters see of the record."""
    if value is None:
        return None
    if name in TIMES:
        return round(value * 1e6) * 1000
    if FIELDS[name].type == "json":
        return json.loads(msgspec.json.encode(value))
    return list(value) if isinstance(value, tuple) else value


def cells(table: pa.Table, name: str) -> list[object]:
    column = table.column(name)
    found = (column.cast(pa.int64()) if name in TIMES else column).to_pylist()
    if FIELDS[name].type == "json":
        return [None if cell is None else json.loads(cell) for cell in found]
    if FIELDS[name].type.endswith("[]"):
        return [[item for item in cell or [] if item is not None] or None for cell in found]
    return found


@pytest.mark.parametrize("give", [dissector.read, dissector.calls], ids=["messages", "calls"])
@pytest.mark.parametrize("capture", ["demo", "verdicts", "channels", "compressed-unicode"])
def test_cells_are_the_fields_of_the_records(give, capture):
    run = give(CAPTURES[capture])
    records = list(run)
    table = dissector.to_arrow(records, run.kind)
    assert table.num_rows == len(records)
    table.validate(full=True)
    for name in table.schema.names:
        assert cells(table, name) == [plain(name, record_lookup(record)(name)) for record in records], name


def test_values_of_several_servers_go_together():
    (call,) = [call for call in dissector.calls(DEMO) if call.rpc.method == "port_update"]
    server = msgspec.structs.replace(call.rpc.servers[0], name=None)
    rpc = msgspec.structs.replace(call.rpc, servers=(call.rpc.servers[0], server))
    (row,) = dissector.to_arrow([msgspec.structs.replace(call, rpc=rpc)]).to_pylist()
    assert row["rpc.servers.name"] == [call.rpc.servers[0].name, None]
    assert row["rpc.servers.ip"] == [server.ip, server.ip]


@pytest.mark.parametrize("name", ["stats", "agents", "callers"])
def test_what_is_counted_is_a_table_too(name):
    report = getattr(dissector, name)(DEMO)
    table = dissector.to_arrow(report)
    assert table.num_rows == len(report) > 0
    assert table.schema.names == list(fields_of(report.kind))


def test_the_topology_is_six_tables():
    topology = dissector.topology(DEMO)
    for name in ("connections", "channels", "exchanges", "queues", "bindings", "consumers"):
        report = getattr(topology, name)
        assert dissector.to_arrow(report).num_rows == len(report) > 0
    assert dissector.to_arrow(topology.queues).schema.field("publishers.last_time").type == pa.list_(UTC)


def test_pandas_and_polars_take_it_as_it_is():
    table = dissector.to_arrow(dissector.calls(DEMO))
    polars, pandas = pl.DataFrame(table), table.to_pandas()
    assert polars.schema["rpc.publish_time"] == pl.Datetime("ns", "UTC")
    assert str(pandas["rpc.publish_time"].dtype) == "datetime64[ns, UTC]"
    assert polars.schema["rpc.servers.name"] == pl.List(pl.String)
    assert polars["rpc.latency_s"].sum() == pytest.approx(pandas["rpc.latency_s"].sum())
    first = next(dissector.calls(DEMO)).rpc.publish_time
    assert polars["rpc.publish_time"][0] == datetime.datetime.fromtimestamp(first, datetime.UTC)
    typed = table.to_pandas(types_mapper=pd.ArrowDtype)
    assert typed["rpc.frames.reply_publish"].dtype == pd.ArrowDtype(pa.int64())


def test_batches_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "ARROW_ROWS", 10)
    sizes = [batch.num_rows for batch in dissector.to_batches(dissector.read(DEMO))]
    assert sizes == [10] * 8 + [2]
    monkeypatch.setattr(limits, "ARROW_BATCH_BYTES", 1)
    reader = dissector.to_batches(dissector.read(CAPTURES["big-bodies"]))
    assert {batch.num_rows for batch in reader} == {1}


def test_batches_are_made_as_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(limits, "ARROW_ROWS", 10)
    given_out = []
    reader = dissector.to_batches(given_out.append(m) or m for m in dissector.read(DEMO))
    reader.read_next_batch()
    assert len(given_out) == 10


def test_none_at_all_is_a_table_without_rows():
    table = dissector.to_arrow(dissector.read(DEMO, filter='oslo.method == "nothing"'))
    assert (table.num_rows, table.schema.names) == (0, list(fields_of(dissector.MessageRecord)))
    assert dissector.to_arrow([], dissector.CallRecord).num_columns == 42
    with pytest.raises(dissector.UsageError, match="kind=MessageRecord"):
        dissector.to_arrow([])


def test_what_is_no_table_is_told():
    mixed = [next(dissector.read(DEMO)), next(dissector.calls(DEMO))]
    with pytest.raises(dissector.UsageError, match="CallRecord among MessageRecords: a table has records of one kind"):
        dissector.to_arrow(mixed)
    with pytest.raises(dissector.UsageError, match="int is no kind of record"):
        dissector.to_arrow([1])


def test_without_pyarrow_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(dissector.MissingExtraError, match=r"pip install 'osloshark\[arrow\]'"):
        dissector.to_arrow(dissector.read(DEMO))


MESSAGE = next(dissector.read(DEMO))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
U64 = st.integers(0, (1 << 64) - 1)


@settings(max_examples=40)
@given(
    numbers=st.lists(U64, max_size=3).map(tuple),
    time=st.floats(0, 1 << 33),
    tag=U64,
    timestamp=U64,
    headers=st.dictionaries(st.text(), JSON, max_size=3),
    result=JSON,
    text=st.text(st.characters(codec="utf-8")),
)
def test_nothing_that_a_sender_may_send_raises(*, numbers, time, tag, timestamp, headers, result, text):
    properties = PropertiesFields(headers=headers, timestamp=timestamp, type=text)
    record = msgspec.structs.replace(
        MESSAGE,
        frame=FrameFields(1, numbers, time),
        amqp=msgspec.structs.replace(MESSAGE.amqp, delivery_tag=tag, properties=properties),
        oslo=msgspec.structs.replace(MESSAGE.oslo, result=result),
    )
    table = dissector.to_arrow([record])
    table.validate(full=True)
    (row,) = table.select(["frame.numbers", "amqp.delivery_tag", "amqp.properties.type", "oslo.result"]).to_pylist()
    assert row["amqp.delivery_tag"] == (tag if tag < 1 << 63 else None)
    assert row["frame.numbers"] == [number if number < 1 << 63 else None for number in numbers]
    assert row["amqp.properties.type"] == text
    assert row["oslo.result"] == (None if result is None else msgspec.json.encode(result).decode())
    within = timestamp * 1_000_000_000 < 1 << 63
    assert table.column("amqp.properties.timestamp").is_valid()[0].as_py() == within
