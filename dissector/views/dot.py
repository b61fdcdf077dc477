"""``-T dot``: topology as a Graphviz digraph, from clients over exchanges and queues to clients.

Language: https://graphviz.org/doc/info/lang.html. In a quoted label ``"``, ``\\`` and, as HTML's entities are known
there, ``&`` mean something.
"""

from collections.abc import Iterable, Iterator

from dissector.rpc.flows import Flows
from dissector.rpc.records import BindingRecord, ConsumerRecord, ExchangeRecord, QueueRecord, TopologyRecord
from dissector.rpc.sight import Process
from dissector.rpc.traffic import Traffic
from dissector.rpc.vhosts import Name
from dissector.views.escape import escape
from dissector.views.topology import exchange_name, features, queue_flags

_Node = tuple[str, Name | Process]
"""What sort of thing it is, and which."""


class DotView:
    """Writes a digraph. Solid edges have messages, dashed ones none yet; what is gone is grey."""

    def __init__(self, records: Iterable[TopologyRecord], flows: Flows, duration_s: float) -> None:
        """Make it of the records and flows of a `dissector.rpc.topology.Topology`."""
        self._duration_s = duration_s
        self._ids: dict[_Node, str] = {}
        self._edges: dict[tuple[_Node, _Node], list[str]] = {}
        self._busy: set[tuple[_Node, _Node]] = set()
        self._things: dict[_Node, ExchangeRecord | QueueRecord] = {}
        for record in records:
            self._record(record)
        for process, exchange, traffic in flows.publishes():
            self._flow(("client", process), ("exchange", exchange), traffic)
        for exchange, queue, traffic in flows.routes():
            self._flow(("exchange", exchange), ("queue", queue), traffic)
        for queue, process, traffic in flows.takes():
            self._flow(("queue", queue), ("client", process), traffic)

    def write(self) -> bytes:
        """Give the digraph."""
        return "".join(line + "\n" for line in self._lines()).encode()

    def _record(self, record: TopologyRecord) -> None:
        if isinstance(record, ExchangeRecord):
            self._things["exchange", (record.vhost, record.name)] = record
        elif isinstance(record, QueueRecord):
            self._things["queue", (record.vhost, record.name)] = record
        elif isinstance(record, BindingRecord) and record.gone is None:
            source: _Node = ("exchange", (record.vhost, record.source))
            destination: _Node = (record.destination_kind, (record.vhost, record.destination))
            keys = self._edges.setdefault((source, destination), [])
            keys.append(record.routing_key or features((), record.arguments))
        elif isinstance(record, ConsumerRecord) and record.active and record.queue is not None:
            process = (record.client.ip, record.process)
            self._edges.setdefault((("queue", (record.vhost, record.queue)), ("client", process)), [])

    def _flow(self, source: _Node, destination: _Node, traffic: Traffic) -> None:
        rate = f" ({traffic.messages / self._duration_s:.2f}/s)" if self._duration_s > 0 else ""
        self._edges.setdefault((source, destination), []).append(f"{traffic.messages:,}{rate}")
        self._busy.add((source, destination))

    def _lines(self) -> Iterator[str]:
        yield "digraph topology {"
        yield '  graph [rankdir=LR, fontname="sans-serif"];'
        yield '  node [fontname="sans-serif", fontsize=11];'
        yield '  edge [fontname="sans-serif", fontsize=9];'
        # A thing that nothing goes to or from, and that has gone, says nothing in a picture.
        nodes = dict.fromkeys(node for edge in self._edges for node in edge)
        nodes |= dict.fromkeys(node for node, record in self._things.items() if record.gone is None)
        for node in nodes:
            if node[0] == "client":
                yield f"  {self._id(node)} [shape=box, style=rounded, label={_quoted(*_client(node[1]))}];"
        for number, vhost in enumerate(dict.fromkeys(node[1][0] for node in nodes if node[0] != "client")):
            yield f"  subgraph cluster_{number} {{"
            yield f"    label={_quoted('unknown virtual host' if vhost is None else f'virtual host {vhost}')};"
            for node in nodes:
                if node[0] != "client" and node[1][0] == vhost:
                    yield f"    {self._id(node)} [{self._look(node)}];"
            yield "  }"
        for (source, destination), labels in self._edges.items():
            dashed = "" if (source, destination) in self._busy else ", style=dashed"
            yield f"  {self._id(source)} -> {self._id(destination)} [label={_quoted(*labels)}{dashed}];"
        yield "}"

    def _id(self, node: _Node) -> str:
        """Name a node by its number: what is on the wire is in labels only."""
        return self._ids.setdefault(node, f"n{len(self._ids)}")

    def _look(self, node: _Node) -> str:
        sort, name = node
        record = self._things.get(node)
        gray = ", color=gray, fontcolor=gray" if record is not None and record.gone is not None else ""
        if sort == "exchange":
            kind = record.kind if isinstance(record, ExchangeRecord) else None
            return f"shape=hexagon, label={_quoted(exchange_name(name[1] or ''), kind or '')}{gray}"
        told = features(queue_flags(record), record.arguments) if isinstance(record, QueueRecord) else ""
        return f"shape=cylinder, label={_quoted(name[1] or '', told.removesuffix('?'))}{gray}"


def _client(process: Name | Process) -> tuple[str, str]:
    ip, name = process
    return (name, ip or "") if name else (ip or "", "")


def _quoted(*lines: str) -> str:
    """Write lines as one quoted string, what is not printable escaped."""
    texts = [escape(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines if line]
    return '"' + "\\n".join(texts) + '"'
