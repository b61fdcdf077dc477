"""osloshark: the RPC traffic of an OpenStack cloud out of packet captures.

>>> import dissector
>>> methods = {message.oslo.method for message in dissector.read("pcaps/demo.pcap") if message.oslo}
"""

from typing import TYPE_CHECKING, Any

from dissector._version import __version__
from dissector.errors import UsageError

if TYPE_CHECKING:
    from dissector.api import read
    from dissector.fields import FIELDS, MessageRecord

__all__ = ["FIELDS", "MessageRecord", "UsageError", "__version__", "read"]

_LAZY = {"FIELDS": "dissector.fields", "MessageRecord": "dissector.fields", "read": "dissector.api"}
"""What takes time to import, and so is imported when it is first used: the command line starts with this module."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_LAZY[name]), name)
