"""``dissector.calls`` and ``dissector.stats``: requests with their legs and replies, and statistics of them."""

from collections.abc import Collection, Generator
from os import PathLike

from msgspec.structs import asdict

from dissector.api.counting import Counted
from dissector.api.filtering import CallFilter, Expression
from dissector.api.following import AskedDecoding, Following
from dissector.api.run import Captures, Report, Run, open_reading
from dissector.api.via import Via
from dissector.errors import UsageError
from dissector.fields import CallRecord
from dissector.reading import Reading
from dissector.rpc import Calls
from dissector.rpc.statistics import GROUPS, Statistics, StatisticsRecord


def calls(
    captures: Captures,
    *,
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
    show_secrets: bool = False,
    jobs: int | None = 1,
) -> Run[CallRecord]:
    """Give each request with all its legs, its reply and the verdict, in the order in which the verdicts are known.

    Each is a `dissector.CallRecord`, as ``osloshark calls -T jsonl`` writes it. ``filter`` may ask for the fields of
    calls (``rpc.*``) and for those of messages, which are then those of the request. All else is as for
    `dissector.read`.

    >>> import dissector
    >>> for call in dissector.calls("pcaps/demo.pcap", filter='rpc.status == "failed"'):
    ...     print(call.rpc.method, call.rpc.kind, call.rpc.failure.class_)
    attach_interface call PortBindingFailed
    """
    matches = CallFilter(filter, show_secrets=show_secrets)
    following = Following(Calls(), matches)
    reading = open_reading(captures, ports, Via(via, keylog), jobs)
    batches = _followed(reading, following, AskedDecoding(matches, show_secrets=show_secrets))
    return Run(CallRecord, reading, batches, lambda: _counts(following))


def _followed(reading: Reading, following: Following, task: AskedDecoding) -> Generator[list[CallRecord]]:
    try:
        for results in reading.results(task):
            yield following.feed(results)
        yield list(following.finish())
    finally:
        reading.close()


def stats(
    captures: Captures,
    *,
    by: str = "method",
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
    jobs: int | None = 1,
) -> Report[StatisticsRecord]:
    """Give statistics of requests, a group each, the largest first: how many, how slow, and where the time goes.

    ``by`` is what they are grouped by: ``method``, ``exchange``, ``topic``, ``queue``, ``client`` or ``server``. Each
    is a `dissector.StatisticsRecord`, as ``osloshark stats -T jsonl`` writes it. All else is as for `dissector.calls`.

    >>> import dissector
    >>> for group in dissector.stats("pcaps/demo.pcap", filter="rpc.latency_s")[:3]:
    ...     print(group.key, group.count, group.errors, group.latency.p95_s > group.service.p95_s)
    report_state 6 0 True
    object_action 2 0 True
    attach_interface 1 1 True
    """
    if by not in GROUPS:
        raise UsageError(f"by={by!r}: choose from {', '.join(GROUPS)}")
    matches = CallFilter(filter)
    following = Following(Calls(), matches)
    reading = open_reading(captures, ports, Via(via, keylog), jobs)
    counted = Counted(reading, Statistics(by), following)
    try:
        for results in reading.results(AskedDecoding(matches)):
            counted.show(results)
    finally:
        reading.close()
    counted.finish()
    return Report(StatisticsRecord, counted.records(), reading.completeness, _counts(following))


def _counts(following: Following) -> dict[str, int]:
    return {name: count for name, count in asdict(following.counts).items() if count and name != "calls"}
