"""Agents and the matrix of who calls whom shown: tables, JSON lines, CSV."""

from collections.abc import Iterable
from typing import Final

import msgspec

from dissector.rpc.records import AgentRecord, CallerRecord
from dissector.views.csvtext import csv_line
from dissector.views.grid import Column, GridStyle, Row, grid
from dissector.views.jsonl import json_line
from dissector.views.times import TimeFormat

_AGENTS: Final = (
    Column("agent type"),
    Column("host"),
    Column("binary", 1),
    Column("process", 2),
    Column("address", 3),
    Column("reports", is_number=True),
    Column("interval", is_number=True),
    Column("missed", is_number=True),
    Column("last seen", 1, is_number=True),
    Column("silent for", is_number=True),
    Column("", 0),
    Column("starts", 4, is_number=True),
    Column("by", 5),
)
_MATRIX: Final = (
    Column("program"),
    Column("method"),
    Column("topic"),
    Column("exchange", 3),
    Column("kind", 1),
    Column("messages", is_number=True),
    Column("msg/s", 1, is_number=True),
    Column("most in 1 s", 3, is_number=True),
    Column("bytes", 2, is_number=True),
    Column("largest", 4, is_number=True),
    Column("processes", 4, is_number=True),
)


def agents_table(records: Iterable[AgentRecord], time: TimeFormat, style: GridStyle) -> bytes:
    """Write a row for each agent; those that are late first, and marked."""
    chosen = sorted(records, key=lambda one: (not one.late, one.host or "", one.agent_type or one.binary or ""))
    rows = [Row(_agent(one, time), "red" if one.late else "yellow" if one.missed else None) for one in chosen]
    return grid(f"Agents ({len(rows):,})" if rows else "Agents", _AGENTS, rows, style)


def matrix_table(records: Iterable[CallerRecord], style: GridStyle) -> bytes:
    """Write a row for each cell, in the order given."""
    rows = [Row(_caller(one)) for one in records]
    return grid(f"Who calls whom ({len(rows):,})" if rows else "Who calls whom", _MATRIX, rows, style)


def agents_jsonl(records: Iterable[AgentRecord | CallerRecord]) -> bytes:
    """Write a JSON object for each record."""
    return b"".join(json_line(msgspec.json.encode(record)) for record in records)


def agents_csv(records: Iterable[AgentRecord | CallerRecord], kind: type[AgentRecord | CallerRecord]) -> bytes:
    """Write a row for each record of one kind, its columns the fields of the record."""
    lines = [csv_line(getattr(record, name) for name in kind.__struct_fields__) for record in records]
    return csv_line(kind.__struct_fields__) + b"".join(lines)


def _agent(record: AgentRecord, time: TimeFormat) -> list[str]:
    return [
        record.agent_type or "",
        record.host or "?",
        record.binary or "",
        record.process or "",
        record.ip or "?",
        f"{record.beats:,}",
        "?" if record.interval_s is None else f"{record.interval_s:.1f} s",
        "?" if record.missed is None else f"{record.missed:,}",
        time(round(record.last_time * 1e6) * 1000),
        f"{record.silent_s:.1f} s",
        "LATE" if record.late else "",
        f"{record.starts:,}" if record.starts else "",
        record.method,
    ]


def _caller(record: CallerRecord) -> list[str]:
    return [
        record.program or record.ip or "?",
        f"{record.namespace}.{record.method}" if record.namespace else record.method,
        record.topic,
        record.exchange,
        record.kind,
        f"{record.messages:,}",
        "" if record.messages_per_s is None else f"{record.messages_per_s:.2f}",
        f"{record.peak_per_s:,}",
        f"{record.bytes:,}",
        f"{record.largest:,}",
        f"{record.processes:,}",
    ]
