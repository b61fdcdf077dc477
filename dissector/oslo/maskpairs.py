"""Names and values of secrets that stand beside each other: in objects, in short lists, in command lines."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dissector import limits
from dissector.oslo.secretkeys import mentions_secret, names_secret

VALUE_KEYS: Final = frozenset(
    ("value", "values", "val", "v", "default", "new_value", "old_value", "newvalue", "oldvalue")
)
"""Keys, in lower case, of the value in an object that is a pair of name and value."""

_NAME_KEYS: Final = frozenset(
    ("key", "k", "name", "n", "option", "opt", "field", "attribute", "attr", "property", "prop", "parameter", "param",
     "variable", "var", "header", "path", "label", "type", "id")
)  # fmt: skip
"""Keys of its name; ``path`` is that of a JSON Patch (RFC 6902)."""

_OPERATORS: Final = frozenset(("=", "==", "!=", ":", ":=", "=>", "<", ">", "is", "eq", "ne", "in", "like", "set"))
_NAME_CHARS: Final = limits.KEY_CACHE_CHARS
"""Longest text that is taken for a name: longer ones are data."""


def names_value(pair: dict[Any, Any]) -> bool:
    """Tell whether an object with one of `VALUE_KEYS` also says that it is the value of a secret."""
    return any(
        isinstance(name, str) and str(key).lower() in _NAME_KEYS and _is_name(name) for key, name in pair.items()
    )


def marked(items: Sequence[Any]) -> Iterator[int]:
    """Give the indexes of what the items of a list before them mark as secrets.

    - ``["password", x]`` and ``["password", "=", x]``: lists of two, and of three with a comparison;
    - ``[…, "--password", x, …]``: what follows an option without a ``=``, unless it is an option itself;
    - ``[…, "auth.password", "-v", x, …]``: what follows the option behind a name.
    """
    size = len(items)
    if size < 2 or type(items[0]) is not str:
        return
    if size == 2 and _is_name(items[0]):
        yield 1
    elif size == 3 and isinstance(items[1], str) and items[1].lower() in _OPERATORS and _is_name(items[0]):
        yield 2
    for index, item in enumerate(items[:-1]):
        if type(item) is not str or item[:1] != "-":
            continue
        value = items[index + 1]
        is_option = isinstance(value, str) and value.startswith("--") and "=" not in item
        if "=" not in item and not is_option and (_is_name(item) or _names_next(items, index)):
            yield index + 1


def _names_next(items: Sequence[Any], index: int) -> bool:
    """Tell whether what stands before an option is a name, and no option itself."""
    return index > 0 and _is_name(items[index - 1]) and not items[index - 1].startswith("-")


def _is_name(text: Any) -> bool:  # noqa: ANN401 - any JSON value
    return (
        isinstance(text, str)
        and len(text) <= _NAME_CHARS
        and mentions_secret(text.lower() if text.isascii() else "key")
        and not any(map(str.isspace, text))
        and names_secret(text)
    )
