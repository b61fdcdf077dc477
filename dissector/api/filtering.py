"""Display filters over messages, events and calls as they are read."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from dissector import limits
from dissector.amqp import AmqpEvent
from dissector.bounded import remember
from dissector.errors import UsageError
from dissector.fields import CallRecord
from dissector.filter import Filter, compile_filter, record_lookup
from dissector.oslo import HotMessage
from dissector.views.lookup import lookup_of

_CALL_FIELDS: Final = "rpc"

Expression = str | Filter | None
"""A display filter, compiled or not; None lets everything through."""

Asked = tuple[str, dict[str, Any]]
"""The ``unique_id`` of a request, and the values of the fields that an expression names."""


def _compiled(expression: str | Filter) -> Filter:
    return expression if isinstance(expression, Filter) else compile_filter(expression)


class EventFilter:
    """Tells which messages and events match an expression; all do where there is none.

    Raises `dissector.UsageError` where it has no meaning. With ``show_secrets`` the values are those on the wire,
    else what is shown: a filter does not find out what is masked.
    """

    def __init__(self, expression: Expression, *, show_secrets: bool = False) -> None:
        self._matches = None
        if expression is not None:
            compiled = _compiled(expression)
            refuse_call_fields(compiled.fields)
            self._matches = compiled.matches
        self._show_secrets = show_secrets

    def __call__(self, event: AmqpEvent) -> bool:
        """Tell whether an event matches."""
        return self._matches is None or self._matches(lookup_of(event, show_secrets=self._show_secrets))


class CallFilter:
    """Tells which calls match an expression; all do where there is none.

    The fields of a call are ``rpc.*``; those of messages are those of its request, as it was first seen: hand what
    `ask` gives of messages to `learn` before the calls that come of them. Raises `dissector.UsageError` where the
    expression has no meaning.
    """

    def __init__(self, expression: Expression, *, show_secrets: bool = False) -> None:
        self._matches = None
        self._names: list[str] = []
        self._show_secrets = show_secrets
        self._requests: OrderedDict[str, dict[str, Any]] = OrderedDict()
        if expression is not None:
            compiled = _compiled(expression)
            self._matches = compiled.matches
            self._names = [name for name in compiled.fields if not name.startswith(_CALL_FIELDS)]

    @property
    def asks(self) -> bool:
        """Whether it asks anything of requests."""
        return bool(self._names)

    def ask(self, event: AmqpEvent, hot: HotMessage | None) -> Asked | None:
        """Give what the expression asks of a request; None where that is nothing."""
        if not self._names or hot is None or hot.unique_id is None or hot.kind in ("reply", "heartbeat"):
            return None
        lookup = lookup_of(event, show_secrets=self._show_secrets)
        return hot.unique_id, {name: lookup(name) for name in self._names}

    def learn(self, asked: Asked | None) -> None:
        """Note what the expression asks of a request."""
        if asked is not None and asked[0] not in self._requests:
            remember(self._requests, *asked, limits.OPEN_CALLS)

    def __call__(self, call: CallRecord) -> bool:
        """Tell whether a call matches."""
        if self._matches is None:
            return True
        of_call = record_lookup(call)
        of_request = self._requests.get(call.rpc.unique_id or "", {})
        return self._matches(lambda name: of_call(name) if name.startswith(_CALL_FIELDS) else of_request.get(name))


def refuse_call_fields(names: Iterable[str]) -> None:
    """Refuse fields that messages and events do not have; raises `dissector.UsageError`."""
    if found := sorted(name for name in names if name.startswith(_CALL_FIELDS)):
        raise UsageError(f"{found[0]}: messages have no rpc.* fields, calls have: see 'osloshark calls --help'")
