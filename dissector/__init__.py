"""osloshark: the RPC traffic of an OpenStack cloud out of packet captures.

>>> import dissector
>>> methods = {message.oslo.method for message in dissector.read("pcaps/demo.pcap") if message.oslo}
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dissector._version import __version__
from dissector.errors import MissingExtraError, UsageError, WorkerError

if TYPE_CHECKING:
    from dissector.api.calls import calls, stats
    from dissector.api.explaining import explain
    from dissector.api.live import Live, live
    from dissector.api.messages import read
    from dissector.api.run import Report, Run
    from dissector.api.tables import TopologyReport, TraceReport, agents, callers, topology, trace
    from dissector.explain.tree import Explained
    from dissector.fields import FIELDS, CallRecord, MessageRecord
    from dissector.filter.compile import Filter
    from dissector.filter.compile import compile_filter as filter
    from dissector.interop.arrow import to_arrow, to_batches
    from dissector.reading import Completeness
    from dissector.rpc.records import (
        AgentRecord,
        BindingRecord,
        CallerRecord,
        ChannelRecord,
        ConnectionRecord,
        ConsumerRecord,
        ExchangeRecord,
        QueueRecord,
    )
    from dissector.rpc.statistics import StatisticsRecord

__all__ = [
    "FIELDS",
    "AgentRecord",
    "BindingRecord",
    "CallRecord",
    "CallerRecord",
    "ChannelRecord",
    "Completeness",
    "ConnectionRecord",
    "ConsumerRecord",
    "ExchangeRecord",
    "Explained",
    "Filter",
    "Live",
    "MessageRecord",
    "MissingExtraError",
    "QueueRecord",
    "Report",
    "Run",
    "StatisticsRecord",
    "TopologyReport",
    "TraceReport",
    "UsageError",
    "WorkerError",
    "__version__",
    "agents",
    "callers",
    "calls",
    "explain",
    "filter",
    "live",
    "read",
    "stats",
    "to_arrow",
    "to_batches",
    "topology",
    "trace",
]

_ROOMS = {
    "api.calls": "calls stats",
    "api.explaining": "explain",
    "api.live": "Live live",
    "api.messages": "read",
    "api.run": "Report Run",
    "api.tables": "TopologyReport TraceReport agents callers topology trace",
    "explain.tree": "Explained",
    "fields": "FIELDS CallRecord MessageRecord",
    "filter.compile": "Filter compile_filter",
    "interop.arrow": "to_arrow to_batches",
    "reading": "Completeness",
    "rpc.records": "AgentRecord BindingRecord CallerRecord ChannelRecord ConnectionRecord ConsumerRecord "
    "ExchangeRecord QueueRecord",
    "rpc.statistics": "StatisticsRecord",
}
"""What takes time to import, and so is imported when it is first used: the command line starts with this module."""
_LAZY = {name: f"dissector.{room}" for room, names in _ROOMS.items() for name in names.split()}
_LAZY["filter"] = _LAZY.pop("compile_filter")
_OTHERWISE = {"filter": "compile_filter"}
"""What is called otherwise where it is made."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_LAZY[name]), _OTHERWISE.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, in which `filter` and `explain` stay the functions.

    Python puts a module into its package once it is imported, and there are rooms of these names.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _LAZY and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
