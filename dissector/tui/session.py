"""One run over captures or an interface: reads in a thread of its own, and keeps what the screen asks for."""

import threading
from collections.abc import Sequence
from typing import Final

from dissector.amqp import AmqpEvent, Message
from dissector.explain.recent import Watched
from dissector.fields import CallRecord
from dissector.reading import Reading
from dissector.rpc import Calls
from dissector.rpc.agents import Agents
from dissector.rpc.hot import hot_of
from dissector.rpc.matrix import Matrix
from dissector.rpc.statistics import Statistics
from dissector.rpc.topology import Topology
from dissector.tui.calls import CallList
from dissector.tui.index import MessageIndex
from dissector.tui.store import PacketStore

_SLICE: Final = 200
"""Events that are taken in at a time; between, the screen may look."""
_LATE_NS: Final = 5_000_000_000
"""How long a call that timed out waits for a late reply where packets come live."""


class Session:
    """Reads a run; `start` begins, `stop` ends it early. Look at the tables only while holding `lock`."""

    def __init__(self, reading: Reading, files: Sequence[str], *, show_secrets: bool = False) -> None:
        self.reading = reading
        self.files = list(files)
        self.show_secrets = show_secrets
        self.is_live = reading.capture.is_live
        self.lock = threading.Lock()
        self.store = PacketStore(files, reading.capture)
        self.index = MessageIndex(self.store)
        self.calls = CallList()
        self.statistics = Statistics("method")
        self.topology = Topology(show_secrets=show_secrets)
        self.agents = Agents()
        self.matrix = Matrix()
        self.error: BaseException | None = None
        """What ended the reading before its end, if it was an error."""
        self.is_done = False
        self.is_stopped = False
        """Whether it was ended early."""
        self.last_ns = 0
        self._following = Calls(late_ns=_LATE_NS if reading.capture.bytes_total is None else None)
        reading.capture = Watched(reading.capture, self.store.see)
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the reading soon; what was read stays."""
        self.is_stopped = True
        self.reading.capture.stop()

    def close(self) -> None:
        """End everything."""
        if not self.is_done:
            self.stop()
        self._thread.join(timeout=1)
        self.store.close()
        self.calls.close()

    @property
    def progress(self) -> float | None:
        """How much of the captures was read, from 0 to 1; None where nobody knows."""
        capture = self.reading.capture
        total = capture.bytes_total
        return None if total is None else 1.0 if self.is_done else min(capture.bytes_read / max(total, 1), 1.0)

    @property
    def seconds(self) -> float | None:
        """The time from the first packet to the last event; None where that is none."""
        span_ns = self.last_ns - self.reading.first_time_ns
        return span_ns / 1e9 if span_ns > 0 else None

    def _run(self) -> None:
        try:
            for events in self.reading.batches():
                self._take(events)
                if self.is_stopped and not self.is_live:
                    break
            if not self.is_stopped or self.is_live:
                self._take(self.reading.finish())
            with self.lock:
                for call in self._following.finish():
                    self._call(call)
                self.topology.finish()
        except Exception as error:  # it is shown, and what is no mistake of the user is raised where the program ends
            self.error = error
        finally:
            self.reading.close()
            self.is_done = True

    def _take(self, events: list[AmqpEvent]) -> None:
        for begin in range(0, len(events), _SLICE):
            if self.is_stopped and not self.is_live:
                return
            with self.lock:
                for event in events[begin : begin + _SLICE]:
                    self._event(event)

    def _event(self, event: AmqpEvent) -> None:
        hot = hot_of(event, self.show_secrets)
        self.last_ns = max(self.last_ns, event.time_ns)
        if isinstance(event, Message):
            self.index.add(event, hot)
        for call in self._following.feed(event, hot):
            self._call(call)
        self.topology.feed(event, hot)
        self.agents.feed(event, hot)
        self.matrix.feed(event, hot)

    def _call(self, call: CallRecord) -> None:
        self.calls.add(call)
        self.statistics.feed(call.rpc)
