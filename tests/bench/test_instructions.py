"""No room takes many more instructions than it did: what a timed test would say on a machine that is all its own."""

import pytest
from msgspec.structs import replace

from . import instructions
from .instructions import Counts, compared, grown, kept
from .stages import STAGES


@pytest.mark.valgrind
def test_no_stage_takes_more(capfd):
    found = instructions.measure()
    baseline = kept()
    assert found.capture == baseline.capture, "the generator writes another capture; `make instructions` measures anew"
    with capfd.disabled():
        print(f"\ninstructions: {compared(baseline, found)}", *instructions.table(baseline, found), sep="\n")
    assert list(grown(baseline, found)) == [], "`make instructions` makes this the baseline, if it must be"


BEFORE = Counts("abc", instructions.versions(), dict.fromkeys(STAGES, 1_000_000))


def after(**changed: int) -> Counts:
    return replace(BEFORE, stages=BEFORE.stages | changed)


def test_the_stage_is_named():
    assert list(grown(BEFORE, after(net=1_099_000, amqp=500_000))) == []
    (fault,) = grown(BEFORE, after(net=1_101_000))
    assert fault.startswith("net: 1,101,000 instructions, 10.1% more than 1,000,000")


def test_another_python_is_reckoned_by_the_yardstick():
    slower = replace(after(**dict.fromkeys(STAGES, 2_000_000)), versions={"Python": "4.0"})
    assert list(grown(BEFORE, slower)) == []
    assert "4.0" in compared(BEFORE, slower)
    worse = replace(slower, stages=slower.stages | {"rpc": 2_700_000})
    assert [fault.split(":")[0] for fault in grown(BEFORE, worse)] == ["rpc"]


def test_the_yardstick_is_of_the_same_python_only():
    # It is no room of the house: were it the only one to change, something else would be wrong.
    assert list(grown(BEFORE, after(yardstick=5_000_000))) == []


def test_the_baseline_has_every_stage():
    assert tuple(kept().stages) == STAGES
    assert min(kept().stages.values()) > 1_000_000
