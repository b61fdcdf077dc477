import os
import time

import pytest

from dissector.views.times import TIME_FORMATS, time_format

FIRST = 1_637_000_000_000_000_000
LATER = FIRST + 3_723_123_456_789


@pytest.fixture
def oslo_time():
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Oslo"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.mark.usefixtures("oslo_time")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r", "3723.123456"),
        ("e", "1637003723.123456"),
        ("u", "19:15:23.123456"),
        ("ud", "2021-11-15 19:15:23.123456"),
        ("a", "20:15:23.123456"),
        ("ad", "2021-11-15 20:15:23.123456"),
    ],
)
def test_formats(name, text):
    assert time_format(name, lambda: FIRST)(LATER) == text


def test_delta_is_to_the_line_before():
    write = time_format("d", lambda: FIRST)
    assert [write(FIRST), write(FIRST + 1_500_000_000), write(FIRST)] == ["0.000000", "1.500000", "-1.500000"]


def test_a_clock_that_steps_back_gives_negative_times():
    assert time_format("r", lambda: FIRST)(FIRST - 1_000) == "-0.000001"


def test_all_that_is_offered_works():
    assert all(time_format(name, lambda: 0)(0) for name in TIME_FORMATS)
