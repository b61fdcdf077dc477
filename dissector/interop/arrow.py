"""Records as Arrow tables, for pandas, polars, DuckDB and Parquet: a row a record, a column a field.

Columns have the registry's dotted names (``oslo.method``), in its order, with unit and meaning in their metadata:

- times are ``timestamp[ns, UTC]``, exact to the microsecond; durations are ``double``, in seconds;
- integers are ``int64``, one beyond that is null;
- a field with several values is a list; of several servers ``rpc.servers.ip`` and ``rpc.servers.name`` go together;
- any JSON value (``oslo.args``, ``amqp.properties.headers``) is text, as JSON.

Null is what a record does not have.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

import msgspec
from msgspec import UNSET

from dissector import limits
from dissector.errors import MissingExtraError, UsageError
from dissector.fields import Field, attributes_of, fields_of

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

_INT64: Final = 1 << 63
_TIME_S: Final = _INT64 // 1_000_000_000
"""Seconds before and after the epoch that nanoseconds of 64 bits reach."""
_SECONDS: Final = ("s", "s since the epoch")
_DURATION: Final = "_s"
"""How the names of durations end; other seconds are times."""
_UTC: Final = "UTC"
_SEVERAL: Final = "[]"


class _Known(Protocol):
    """Records that say what they are, even where there are none: `dissector.Run`, `dissector.Report`."""

    kind: type[msgspec.Struct]

    def __iter__(self) -> Iterator[msgspec.Struct]: ...


Records = Iterable[S] | _Known


def to_arrow(records: Records[S], kind: type[S] | None = None) -> "pa.Table":
    """Put records into a ``pyarrow.Table``: a row a record, a column a field of the registry (`dissector.FIELDS`).

    ``records`` are those of any iterable, all of one kind: messages, calls, groups of statistics, queues … ``kind`` is
    what they are; it need be given only for what may hold none and is not what osloshark gave. `to_batches` does the
    same for what is larger than memory. Raises `dissector.UsageError` for records of several kinds, and
    `dissector.MissingExtraError` where pyarrow is not installed.

    >>> import dissector
    >>> table = dissector.to_arrow(dissector.calls("pcaps/demo.pcap"))
    >>> table.column("rpc.latency_s").type, table.column("rpc.publish_time").type
    (DataType(double), TimestampType(timestamp[ns, tz=UTC]))
    >>> table.select(["rpc.method", "rpc.status"]).slice(0, 1).to_pylist()
    [{'rpc.method': 'report_state', 'rpc.status': 'ok'}]
    """
    return to_batches(records, kind).read_all()


def to_batches(records: Records[S], kind: type[S] | None = None) -> "pa.RecordBatchReader":
    """Give the same as `to_arrow` in batches, made as they are asked for: memory does not grow with the records.

    >>> import dissector
    >>> reader = dissector.to_batches(dissector.read("pcaps/demo.pcap"))
    >>> for batch in reader:
    ...     print(batch.num_rows, batch.num_columns)
    82 65
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - slow to import, and not always there
    except ImportError:
        raise MissingExtraError("an Arrow table", "arrow") from None
    remaining = iter(records)
    known: Any = kind or getattr(records, "kind", None)
    if known is None:
        first = next(remaining, None)
        if first is None:
            raise UsageError("no records, so nobody knows their columns; say what they would be: kind=MessageRecord")
        known, remaining = type(first), chain([first], remaining)
    if not (isinstance(known, type) and issubclass(known, msgspec.Struct)):
        name = known.__name__ if isinstance(known, type) else repr(known)
        raise UsageError(f"{name} is no kind of record; give what dissector.read, calls, stats … give")
    columns = _Columns(pa, known)
    return pa.RecordBatchReader.from_batches(columns.schema, _batches(columns, remaining))


def _batches(columns: "_Columns", records: Iterable[msgspec.Struct]) -> "Iterator[pa.RecordBatch]":
    encode = msgspec.json.Encoder().encode
    kept: list[msgspec.Struct] = []
    size = 0
    for record in records:
        if type(record) is not columns.kind:
            raise UsageError(
                f"{type(record).__name__} among {columns.kind.__name__}s: a table has records of one kind; "
                f"choose them first"
            )
        kept.append(record)
        size += len(encode(record))
        if len(kept) >= limits.ARROW_ROWS or size >= limits.ARROW_BATCH_BYTES:
            yield columns.batch(kept)
            kept, size = [], 0
    if kept:
        yield columns.batch(kept)


Convert = Callable[[Any], Any]
"""Makes a value fit for its column."""

Several = tuple[msgspec.Struct, ...]
_Structs = msgspec.Struct | Several | None
"""What a field stands in."""


class _Column(msgspec.Struct):
    path: tuple[str, ...]
    """The names that lead to the struct that the field stands in."""
    name: str
    """Its own."""
    type: Any
    """A ``pyarrow.DataType``."""
    several: bool
    convert: Convert | None
    """None where values fit as they are."""


class _Columns:
    """The columns of a kind of record."""

    def __init__(self, pa: Any, kind: type[msgspec.Struct]) -> None:  # noqa: ANN401 - the module
        self.kind = kind
        self._pa = pa
        self._columns: list[_Column] = []
        described = []
        for field in fields_of(kind).values():
            type_, convert = _fitting(pa, field)
            several = field.type.endswith(_SEVERAL)
            *path, name = field.name.split(".")
            self._columns.append(_Column(tuple(path), name, pa.list_(type_) if several else type_, several, convert))
            metadata = {"meaning": field.meaning} | ({"unit": field.unit} if field.unit else {})
            described.append(pa.field(field.name, self._columns[-1].type, metadata=metadata))
        self.schema = pa.schema(described)

    def batch(self, records: list[msgspec.Struct]) -> "pa.RecordBatch":
        """Make a batch of records."""
        structs: dict[tuple[str, ...], Sequence[_Structs]] = {(): records}
        """What stands at a path in each of them."""
        arrays = []
        for column in self._columns:
            for depth, name in enumerate(column.path):
                at = column.path[:depth]
                if (*at, name) not in structs:
                    structs[*at, name] = _values(structs[at], name)
            arrays.append(self._array(column, _values(structs[column.path], column.name)))
        return self._pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, column: _Column, values: list[Any]) -> "pa.Array":
        if column.convert is not None:
            values = _fit(values, column.convert, several=column.several)
        try:
            return self._pa.array(values, column.type)
        except OverflowError:  # so rare that it is not looked for beforehand
            return self._pa.array(_fit(values, _integer, several=column.several), column.type)


def _values(structs: Sequence[_Structs], name: str) -> list[Any]:
    """Give a field of structs: None where there is no struct, or it has none; where there are several, a list."""
    first = next((struct for struct in structs if struct is not None), None)
    if first is None:
        return [None] * len(structs)
    if isinstance(first, tuple):
        return [None if several is None else _values(cast("Several", several), name) for several in structs]
    attribute = attributes_of(type(first))[name]
    return [None if one is None or (value := getattr(one, attribute)) is UNSET else value for one in structs]


def _fit(values: Iterable[Any], convert: Convert, *, several: bool) -> list[Any]:
    if several:
        return [None if value is None else _fit(value, convert, several=False) for value in values]
    return [None if value is None else convert(value) for value in values]


def _fitting(pa: Any, field: Field) -> "tuple[pa.DataType, Convert | None]":  # noqa: ANN401 - the module
    """Choose the type of a column's values, and what values are made of to fit into it."""
    name = field.type.removesuffix(_SEVERAL)
    if field.unit in _SECONDS and not field.name.endswith(_DURATION):
        return pa.timestamp("ns", tz=_UTC), _time
    if name == "integer":
        return pa.int64(), None
    if name == "number":
        return pa.float64(), None
    if name == "boolean":
        return pa.bool_(), None
    return pa.string(), _json if name == "json" else None


def _time(value: float) -> int | None:
    """Give seconds since the epoch as nanoseconds; None for what a sender made up and they do not reach."""
    return round(value * 1_000_000) * 1000 if abs(value) < _TIME_S else None


def _integer(value: int) -> int | None:
    return value if -_INT64 <= value < _INT64 else None


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return msgspec.json.encode(value).decode()
