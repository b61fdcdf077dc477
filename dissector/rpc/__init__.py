"""Messages in time order in; calls with their legs and verdicts out."""

from dissector.rpc.calls import Calls
from dissector.rpc.counts import CallCounts

__all__ = ["CallCounts", "Calls"]
