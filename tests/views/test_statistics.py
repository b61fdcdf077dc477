import csv
import io
import json

from dissector.rpc.statistics import Quantiles, Statistics, StatisticsRecord
from dissector.views.statistics import statistics_csv, statistics_jsonl, statistics_table

from ..rpc.cuts import whole

SOME = Quantiles(0.001, 0.0123, 0.5, 12.25)
NONE = Quantiles(None, None, None, None)


def record(key: str = "echo", **changed: object) -> StatisticsRecord:
    fields = {"rate": 1.5, "latency": SOME, "queue_wait": NONE, "service": NONE} | changed
    return StatisticsRecord(
        *("method", key, 1234, fields["rate"], 1, 2),
        *(fields["latency"], fields["queue_wait"], fields["service"]),
        *(1_000_000, 500_000, 3, 4),
    )


def test_a_table():
    text = statistics_table([record(), record("very.long.name", rate=None, latency=NONE, queue_wait=SOME)]).decode()
    assert text.splitlines() == [
        "method          count  rate/s  errors  timeouts      p50       p95        p99          max"
        "  wait p95  serv p95  again      bytes",
        "echo            1,234    1.50       1         2  1.00 ms  12.30 ms  500.00 ms  12250.00 ms"
        "         -         -      7  1,500,000",
        "very.long.name  1,234       -       1         2        -         -          -            -"
        "  12.30 ms         -      7  1,500,000",
    ]


def test_an_empty_table_has_its_head():
    assert statistics_table([]).decode().split()[:2] == ["method", "count"]
    assert statistics_jsonl([]) == b""
    assert statistics_csv([]).count(b"\n") == 1


def test_names_from_the_wire_are_escaped_and_cut():
    text = statistics_table([record("a\nb\x1b"), record("x" * 300)]).decode()
    assert len(text.splitlines()) == 3
    assert r"a\nb\x1b" in text
    assert "x" * 59 + "…" in text


def test_json():
    (line,) = statistics_jsonl([record()]).splitlines()
    found = json.loads(line)
    assert (found["type"], found["by"], found["key"], found["count"]) == ("statistics", "method", "echo", 1234)
    assert found["latency"] == {"p50_s": 0.001, "p95_s": 0.0123, "p99_s": 0.5, "max_s": 12.25}
    assert (found["redeliveries"], found["duplicates"]) == (3, 4)


def test_csv():
    (row,) = csv.DictReader(io.StringIO(statistics_csv([record("=1")]).decode()))
    assert (row["by"], row["key"], row["latency.p99_s"], row["service.max_s"]) == ("method", "'=1", "0.5", "")
    assert (row["request_bytes"], row["reply_bytes"]) == ("1000000", "500000")


def test_a_row_for_each_group_of_a_shipped_capture():
    statistics = Statistics("client")
    for rpc in {id(rpc): rpc for rpc in whole("demo").values()}.values():
        statistics.feed(rpc)
    records = statistics.finish(3)
    lines = statistics_table(records).decode().splitlines()
    assert len(lines) == 1 + len({rpc.client.name for rpc in whole("demo").values()})
    assert lines[0].split()[0] == "client"
