"""What a crew's workers are given to do."""

import itertools
import os
from contextlib import closing

import pytest
from msgspec.structs import replace

from dissector.amqp import Event
from dissector.parallel import Crew
from dissector.rpc.lastbodies import body_of

from ..rpc.story import Rpc, Story


class Numbering:
    """Says which worker did the work, and how many pieces of work it did before that."""

    def __init__(self):
        self._count = itertools.count()

    def send(self, event):
        return None if isinstance(event, Event) else body_of(event)

    def work(self, sent):
        return os.getpid(), next(self._count), sent[0]

    def join(self, event, made):
        return event.number, made


@pytest.fixture
def message():
    return Rpc(Story()).publish(0)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_of_equal_bodies_one_is_worked_on(message, jobs):
    other = replace(message, number=9, body=b"\0" + message.body[1:])
    delivered = replace(message, leg="deliver", number=10)
    elsewhere = replace(message, number=11, method=replace(message.method, exchange="other"))
    event = Event(message.connection, True, 12, 0, 1, "heartbeat")
    events = [message, other, delivered, elsewhere, event, replace(other, number=13)]
    with closing(Crew(jobs, Numbering())) as crew:
        (done,) = crew.feed(events, "mark", ahead=0)
    assert done.mark == "mark"
    assert [number for number, _ in done.results] == [event.number for event in events]
    made = [made for _, made in done.results]
    assert made[4] is None
    assert made[0] == made[2]
    assert made[1] == made[5]
    assert len({made[0], made[1], made[3]}) == 3
    assert [body for _, _, body in filter(None, made)] == [event.body for event in events if event.number != 12]
    works = {}
    for pid, count, _ in filter(None, made):
        works.setdefault(pid, set()).add(count)
    assert sum(len(counts) for counts in works.values()) == 3
    assert all(counts == set(range(len(counts))) for counts in works.values())
