"""Fields of any record by their names."""

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET

from dissector.fields import FIELDS, attributes_of
from dissector.filter.names import GROUPS, Lookup

_KNOWN: Final = FIELDS.keys() | GROUPS


def record_lookup(record: msgspec.Struct) -> Lookup:
    """Give the fields of a record (`dissector.fields.CallRecord`, say) by their registry names.

    What the record does not have is None. Below a tuple of structs, such as ``rpc.servers``, a field has several
    values: a tuple of those that are known, None where there are none.
    """

    def lookup(name: str) -> Any:  # noqa: ANN401 - any field's value
        return _walk(record, _path(name))

    return lookup


@lru_cache(len(_KNOWN))
def _path(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def _walk(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any field's value
    for index, part in enumerate(path):
        if isinstance(value, tuple):
            return _known([_walk(item, path[index:]) for item in value])
        if not isinstance(value, msgspec.Struct):
            return None
        attribute = attributes_of(type(value)).get(part)
        value = None if attribute is None else getattr(value, attribute)
        if value is UNSET:
            return None
    return _known(value) if isinstance(value, tuple) else value


def _known(values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...] | None:
    return tuple(value for value in values if value is not None) or None
