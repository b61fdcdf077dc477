"""Which RPC methods are reports of agents and services that they live, and what they say.

Sources: neutron ``agent/rpc.py`` (``report_state``); nova ``servicegroup/drivers/db.py``, which saves a ``Service``
object by the conductor's ``object_action``, in releases before objects ``service_update``; cinder and manila
``scheduler/rpcapi.py`` (``update_service_capabilities``, ``notify_service_capabilities``); designate
``central/rpcapi.py`` (``update_service_status``); trove ``conductor/api.py`` (``heartbeat``).
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dissector import limits
from dissector.amqp import Message
from dissector.oslo import decode
from dissector.rpc.lastbodies import compression_of


class Beat(msgspec.Struct, frozen=True):
    """What a report says; None is what it does not say."""

    agent_type: str | None
    host: str | None
    binary: str | None
    topic: str | None
    is_start: bool = False
    """The agent has just started."""


Reader = Callable[[dict[str, Any]], Beat | None]
"""From a method's arguments to what they say; None where they are no report after all."""


def read_beat(message: Message, method: str) -> Beat | None:
    """Decode a message's arguments, and give what it reports; None where it is no report.

    Only the methods of `REPORTS` are worth the full decode: look there first. The names in a report are no secrets,
    and nothing else of it is kept.
    """
    oslo = decode(
        message.body, exchange=message.method.exchange, compression=compression_of(message), show_secrets=True
    ).oslo
    return None if oslo is None else REPORTS[method](oslo.args or {})


def _report_state(args: dict[str, Any]) -> Beat | None:
    """Neutron wraps the state in a dict of the same name; others may not."""
    state = _dict(args, "agent_state") or args
    state = _dict(state, "agent_state") or state
    return _beat(state.get("agent_type"), state, is_start=state.get("start_flag") is True)


def _object_action(args: dict[str, Any]) -> Beat | None:
    """A nova ``Service`` that is saved with another count or time is one that reports; else it is administration."""
    instance = _dict(args, "objinst")
    changes = instance.get("nova_object.changes")
    if instance.get("nova_object.name") != "Service" or args.get("objmethod") != "save":
        return None
    if isinstance(changes, list) and not {"report_count", "last_seen_up"}.intersection(map(str, changes)):
        return None
    return _beat(None, _dict(instance, "nova_object.data"))


def _service_update(args: dict[str, Any]) -> Beat | None:
    return _beat(None, _dict(args, "service")) if "report_count" in _dict(args, "values") else None


def _capabilities(args: dict[str, Any]) -> Beat | None:
    return _beat(args.get("service_name"), args)


def _service_status(args: dict[str, Any]) -> Beat | None:
    status = _dict(args, "service_status")
    status = _dict(status, "designate_object.data") or status
    return _beat(status.get("service_name"), {**status, "host": status.get("hostname")})


def _guest(args: dict[str, Any]) -> Beat | None:
    return _beat("guest agent", {"host": args.get("instance_id")})


REPORTS: Final[dict[str, Reader]] = {
    "report_state": _report_state,
    "object_action": _object_action,
    "service_update": _service_update,
    "update_service_capabilities": _capabilities,
    "notify_service_capabilities": _capabilities,
    "update_service_status": _service_status,
    "heartbeat": _guest,
}
"""RPC method to what reads its arguments."""


def _beat(agent_type: object, state: dict[str, Any], *, is_start: bool = False) -> Beat | None:
    """Make a beat; None where nothing tells who sent it."""
    names = (agent_type, *(state.get(key) for key in ("host", "binary", "topic")))
    agent_type, host, binary, topic = (_name(name) for name in names)
    return Beat(agent_type, host, binary, topic, is_start) if host or binary else None


def _name(value: object) -> str | None:
    return value[: limits.AGENT_NAME_CHARS] if isinstance(value, str) else None


def _dict(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
