"""``-Y``: the display filter of commands that show messages and events."""

from typing import Final

import click

from dissector.amqp import AmqpEvent
from dissector.errors import UsageError
from dissector.fields import CallRecord
from dissector.filter import compile_filter, record_lookup
from dissector.views.lookup import lookup_of

filter_option: Final = click.option(
    "-Y",
    "expression",
    metavar="FILTER",
    help="""Only what matches, in Wireshark's language: 'oslo.method == "ping"'.""",
)
"""The option, the same on all commands."""


class EventFilter:
    """Tells which messages and events match an expression; all do where there is none.

    Raises `dissector.UsageError` where it has no meaning. With ``show_secrets`` the values are those on the wire,
    else what is shown: a filter does not find out what is masked.
    """

    def __init__(self, expression: str | None, *, show_secrets: bool = False) -> None:
        self._matches = None if expression is None else compile_filter(expression).matches
        self._show_secrets = show_secrets

    def __call__(self, event: AmqpEvent) -> bool:
        """Tell whether an event matches."""
        return self._matches is None or self._matches(lookup_of(event, show_secrets=self._show_secrets))


class CallFilter:
    """Tells which calls match an expression over the ``rpc.*`` fields; all do where there is none.

    Raises `dissector.UsageError` where it has no meaning, or names a field that calls do not have.
    """

    def __init__(self, expression: str | None) -> None:
        self._matches = None
        if expression is not None:
            compiled = compile_filter(expression)
            if others := sorted(name for name in compiled.fields if not name.startswith("rpc.")):
                raise UsageError(f"{others[0]}: calls have only rpc.* fields; 'osloshark fields rpc.' lists them")
            self._matches = compiled.matches

    def __call__(self, call: CallRecord) -> bool:
        """Tell whether a call matches."""
        return self._matches is None or self._matches(record_lookup(call))
