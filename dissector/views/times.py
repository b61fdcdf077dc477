"""How a packet's time is written: tshark's ``-t`` formats."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

TimeFormat = Callable[[int], str]
"""From nanoseconds since the epoch to text."""


def _absolute(pattern: str, *, utc: bool) -> TimeFormat:
    def write(time_ns: int) -> str:
        seconds, rest_ns = divmod(time_ns, 1_000_000_000)
        moment = datetime.fromtimestamp(seconds, UTC)
        moment = moment if utc else moment.astimezone()
        return f"{moment.strftime(pattern)}.{rest_ns // 1000:06d}"

    return write


def _since(earlier_ns: int, time_ns: int) -> str:
    sign, distance = ("-", earlier_ns - time_ns) if time_ns < earlier_ns else ("", time_ns - earlier_ns)
    return f"{sign}{distance // 1_000_000_000}.{distance // 1000 % 1_000_000:06d}"


def _delta() -> TimeFormat:
    last: list[int] = []

    def write(time_ns: int) -> str:
        text = _since(last.pop() if last else time_ns, time_ns)
        last.append(time_ns)
        return text

    return write


TIME_FORMATS: Final = {
    "r": "seconds since the first packet",
    "a": "time of day, local",
    "ad": "date and time, local",
    "u": "time of day, UTC",
    "ud": "date and time, UTC",
    "d": "seconds since the line before",
    "e": "seconds since the epoch",
}
"""What ``-t`` takes, as tshark names them."""


def time_format(name: str, first_time_ns: Callable[[], int]) -> TimeFormat:
    """Make a writer of times in one of `TIME_FORMATS`, to the microsecond.

    ``first_time_ns`` gives the time of the capture's first packet, once there is one.
    """
    clock, date = "%H:%M:%S", "%Y-%m-%d %H:%M:%S"
    makers: dict[str, Callable[[], TimeFormat]] = {
        "r": lambda: lambda time_ns: _since(first_time_ns(), time_ns),
        "a": lambda: _absolute(clock, utc=False),
        "ad": lambda: _absolute(date, utc=False),
        "u": lambda: _absolute(clock, utc=True),
        "ud": lambda: _absolute(date, utc=True),
        "d": _delta,
        "e": lambda: lambda time_ns: _since(0, time_ns),
    }
    return makers[name]()
