"""Topology and agents as text, from what was read so far."""

from rich.text import Text

from dissector.tui.listing import Line
from dissector.tui.session import Session
from dissector.views.agents import agents_table, matrix_table
from dissector.views.grid import GridStyle
from dissector.views.times import time_format
from dissector.views.topology import SECTIONS, topology_tables


def topology_lines(session: Session, width: int | None) -> list[Line]:
    """Write connections, channels, exchanges, queues, bindings and consumers."""
    time = time_format("r", lambda: session.reading.first_time_ns)
    with session.lock:
        records = list(session.topology.records())
    return _lines(topology_tables(records, SECTIONS, time, GridStyle(width, True)))


def agents_lines(session: Session, width: int | None) -> list[Line]:
    """Write agents, and who calls whom."""
    time = time_format("r", lambda: session.reading.first_time_ns)
    with session.lock:
        agents, callers = list(session.agents.records()), list(session.matrix.records())
    style = GridStyle(width, True)
    return _lines(agents_table(agents, time, style) + matrix_table(callers, style))


def _lines(table: bytes) -> list[Line]:
    """Take the colours of a table's lines apart from their text; everything else in it is escaped."""
    found: list[Line] = []
    for line in table.decode().replace("; --wide shows all)", "; z shows all)").splitlines():
        text = Text.from_ansi(line)
        found.append((text.plain, str(text.spans[0].style) if text.spans else ""))
    return found
