"""Equal values that stay for as long as their connections are kept once: the thousands of connections of a broker have
the same server properties, and nearly the same client properties.
"""

from typing import Any

import msgspec

from dissector import limits
from dissector.bounded import memorize

_memo: dict[str | bytes, Any] = {}


def shared(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Give a value that equals a JSON value, and is or holds those that were given before where they are equal.

    Take what it gives as read-only.
    """
    if isinstance(value, dict):
        value = {shared(name): shared(item) for name, item in value.items()}
    elif isinstance(value, list):
        value = [shared(item) for item in value]
    elif not isinstance(value, str):
        return value
    key = value if isinstance(value, str) else msgspec.json.encode(value)
    if len(key) > limits.SHARED_BYTES:
        return value
    found = _memo.get(key)
    if found is not None:
        return found
    memorize(_memo, key, value, limits.SHARED_VALUES)
    return value
