"""The parent of the workers: it spreads the work on events over them, and puts the results in order."""

import pickle
import select
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from dissector.amqp import AmqpEvent, Message, sample
from dissector.errors import WorkerError
from dissector.parallel.alone import Done
from dissector.parallel.process import Process
from dissector.parallel.task import Task
from dissector.parallel.worker import Failure, run

R = TypeVar("R")
M = TypeVar("M")

_Place = tuple[int, int]
"""Where the result of the work on an event will be: the worker, and the index in what it sends."""


class _Batch(msgspec.Struct, Generic[M]):
    """Events of a batch of packets, and what is done with them elsewhere."""

    mark: M
    events: list[AmqpEvent]
    places: list[_Place | None]
    """That of each event; None where there is no work on it."""
    missing: set[int]
    """Workers whose results have not come yet."""
    made: dict[int, list[Any]]


class Crew(Generic[R, M]):
    """Workers, their parent's side. Feed it the events of each batch; `close` it in any case.

    It raises `WorkerError` where a worker has ended, or found an error in osloshark itself. An interrupt (an exception
    from a signal handler) that comes while it is at work leaves it of no more use; one between two calls does not.
    """

    def __init__(self, jobs: int, task: Task[R]) -> None:
        """Fork so many workers."""
        self._task = task
        self._batches: deque[_Batch[M]] = deque()
        self._poll = select.poll()
        self._processes: list[Process] = []
        self._worker_at: dict[int, int] = {}
        self._is_whole = True
        """Whether nothing was left half done."""
        try:
            for worker in range(jobs):
                process = Process(partial(run, task.work), self._processes)
                self._processes.append(process)
                self._worker_at[process.channel.pipe_in] = worker
                self._poll.register(process.channel.pipe_in, select.POLLIN)
        except BaseException:
            self.close()
            raise

    def feed(self, events: list[AmqpEvent], mark: M, *, ahead: int) -> Iterator[Done[R, M]]:
        """Take the events of a batch; give batches that are done, in their order, each with its mark.

        Afterwards at most ``ahead`` are not done: workers that are slow, and whoever is slow to take what is given,
        make others wait.
        """
        if not self._is_whole:
            return
        with self._all_or_nothing():
            self._spread(events, mark)
        self._receive(wait=False)  # a worker that is gone is to be told even where there is no work for it
        yield from self._given(ahead)

    def drain(self) -> Iterator[Done[R, M]]:
        """Give all batches that are on their way; none where an interrupt left something half done."""
        return self._given(0) if self._is_whole else iter(())

    def close(self) -> None:
        """End all workers, whatever they do."""
        processes, self._processes = self._processes, []
        for process in processes:
            process.end()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        self._is_whole = False
        yield
        self._is_whole = True

    def _spread(self, events: list[AmqpEvent], mark: M) -> None:
        task, jobs = self._task, len(self._processes)
        parcels: list[list[Any]] = [[] for _ in range(jobs)]
        places: list[_Place | None] = []
        known: dict[bytes | int, tuple[Any, _Place]] = {}
        for event in events:
            sent = task.send(event)
            if sent is None:
                places.append(None)
                continue
            key = sample(event.body) if isinstance(event, Message) else event.number
            same = known.get(key)
            if same is not None and same[0] == sent:
                places.append(same[1])
                continue
            worker = hash(key) % jobs
            place = worker, len(parcels[worker])
            parcels[worker].append(sent)
            known[key] = sent, place
            places.append(place)
        busy = {worker for worker, parcel in enumerate(parcels) if parcel}
        self._batches.append(_Batch(mark, events, places, busy, {}))
        for worker in busy:
            self._processes[worker].send(pickle.dumps(parcels[worker], pickle.HIGHEST_PROTOCOL))

    def _given(self, ahead: int) -> Iterator[Done[R, M]]:
        while self._batches:
            if not self._batches[0].missing:
                with self._all_or_nothing():
                    done = self._joined(self._batches.popleft())
                yield done
                continue
            must_wait = len(self._batches) > ahead
            if not self._receive(wait=must_wait) and not must_wait:
                return

    def _receive(self, *, wait: bool) -> bool:
        """Take a message of each worker that has sent one; say whether there was any."""
        ready = self._poll.poll(None if wait else 0)
        with self._all_or_nothing():
            for descriptor, _ in ready:
                worker = self._worker_at[descriptor]
                made = self._processes[worker].receive(pickle.loads)
                if made is not None:
                    self._take(worker, made)
        return bool(ready)

    def _take(self, worker: int, made: list[Any] | Failure) -> None:
        if isinstance(made, Failure):
            raise WorkerError(f"internal error in a worker: {made.place}", *made.trace, is_ours=True)
        batch = next(batch for batch in self._batches if worker in batch.missing)
        batch.missing.remove(worker)
        batch.made[worker] = made

    def _joined(self, batch: _Batch[M]) -> Done[R, M]:
        join, made = self._task.join, batch.made
        results = [
            join(event, None if place is None else made[place[0]][place[1]])
            for event, place in zip(batch.events, batch.places, strict=True)
        ]
        return Done(batch.mark, results)
