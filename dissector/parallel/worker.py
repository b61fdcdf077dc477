"""What a worker does, in its own process: its part of a task, on one parcel after another."""

import gc
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from dissector.parallel.channel import Channel

IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that go to all processes of a terminal or a service: the parent alone decides what they mean."""


class Failure(NamedTuple):
    """An error in osloshark itself: no values, for they may hold what was on the wire."""

    place: str
    trace: list[str]


def run(work: Callable[[Any], Any], channel: Channel) -> NoReturn:
    """Be a worker, in a process that was just forked, until the parent is gone; then end it.

    It sends a list of what ``work`` makes of each thing in the list of a parcel, or a `Failure`.
    """
    try:
        for ignored in IGNORED:
            signal.signal(ignored, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
        gc.freeze()  # what is there was the parent's: to look for cycles in it would copy it
        while True:
            sent = channel.receive(pickle.loads)
            if sent is not None:
                channel.send(_done(work, sent))
    except (EOFError, BrokenPipeError):
        pass
    finally:
        os._exit(0)


def _done(work: Callable[[Any], Any], sent: list[Any]) -> bytes:
    try:
        return pickle.dumps(list(map(work, sent)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"
        trace = [f"  {one.filename}:{one.lineno} in {one.name}: {one.line or ''}" for one in frames]
        return pickle.dumps(Failure(place, trace))
