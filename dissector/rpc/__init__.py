"""Messages in time order in; calls with their legs and verdicts out."""

from dissector.rpc.calls import CallCounts, Calls

__all__ = ["CallCounts", "Calls"]
