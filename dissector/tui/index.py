"""All messages in little room: what tells them apart in columns, everything else from their packets when asked for."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.amqp import AmqpConnection, Message
from dissector.amqp.constants import FRAME_BODY, FRAME_HEADER, FRAME_METHOD
from dissector.amqp.events import LEGS, ContentMethod
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.explain.carriers import Packet, Stream, WireFrame, segments_of
from dissector.fields import seconds
from dissector.oslo import HotMessage
from dissector.tui.store import PacketStore

_LEGS: Final = tuple(LEGS.values())
_KINDS: Final = (None, "call", "cast", "fanout", "reply", "heartbeat", "notification")
_FROM_CLIENT: Final = 0x10
_FAILED: Final = 0x20
_NO_NAME: Final = 0
_MOST: Final = 1 << 32
"""Packet numbers beyond do not fit into the columns."""


V = TypeVar("V")


class Names(Generic[V]):
    """Texts, or several values as one, by small numbers; 0 is none."""

    def __init__(self) -> None:
        self.values: list[V | None] = [None]
        self._numbers: dict[V | None, int] = {None: _NO_NAME}
        self.is_full = False
        """Whether some have no number, as there were too many (`limits.INDEXED_NAMES`)."""

    def number(self, value: V | None) -> int:
        """Give the number of a value."""
        number = self._numbers.get(value)
        if number is None:
            if len(self.values) > limits.INDEXED_NAMES:
                self.is_full = True
                return _NO_NAME
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


class MessageIndex:
    """The messages of a run, by row, in their order.

    One thread adds, others read: a row is there once `__len__` counts it. Some 70 bytes a message, and four for each
    of its packets.
    """

    def __init__(self, store: PacketStore) -> None:
        self._store = store
        self._count = 0
        self.left_out = 0
        """Messages for which there was no room (`limits.INDEXED_MESSAGES`)."""
        self.names = Names[str]()
        self.manners = Names[tuple[Any, ...]]()
        """What many messages have in common: the values of `_MANNER`."""
        self.connections: list[AmqpConnection] = []
        self._connection_numbers: dict[int, tuple[AmqpConnection, int]] = {}
        self._time = array("q")
        self._number = array("I")
        self._first_carrier = array("I")
        self._carriers = array("I")
        self._size = array("I")
        self._check = array("I")
        self._connection = array("I")
        self._exchange = array("I")
        self._routing_key = array("I")
        self._queue = array("I")
        self._method = array("I")
        self._manner = array("I")
        self._unique = array("I")
        self._msg = array("I")
        self._request = array("I")
        self._global_request = array("I")
        self._channel = array("H")
        self._flags = array("B")
        self._kind = array("B")

    def __len__(self) -> int:
        return self._count

    @property
    def memory_bytes(self) -> int:
        """What it takes, without names and connections."""
        columns = [value for value in vars(self).values() if isinstance(value, array)]
        return sum(len(column) * column.itemsize for column in columns)

    # -- adding --------------------------------------------------------------------------------------------------------

    def add(self, message: Message, hot: HotMessage | None) -> None:
        """Add the next message, with its hot decode."""
        if self._count >= limits.INDEXED_MESSAGES or message.number >= _MOST:
            self.left_out += 1
            return
        number = self.names.number
        method = message.method
        self._time.append(message.time_ns)
        self._number.append(message.number)
        self._first_carrier.append(len(self._carriers))
        self._carriers.extend(message.numbers)
        self._size.append(len(message.body))
        self._check.append(_check(method, message.body))
        self._connection.append(self._connection_number(message.connection))
        self._exchange.append(number(method.exchange))
        self._routing_key.append(number(method.routing_key))
        self._queue.append(number(message.queue))
        self._method.append(number(None if hot is None else hot.method))
        self._manner.append(0 if hot is None else self.manners.number(_manner_of(hot)))
        self._unique.append(0 if hot is None else request_hash(hot.unique_id))
        self._msg.append(0 if hot is None else request_hash(hot.msg_id))
        self._request.append(0 if hot is None else request_hash(hot.request_id))
        self._global_request.append(0 if hot is None else request_hash(hot.global_request_id))
        self._channel.append(message.channel)
        flags = _LEGS.index(message.leg) | (_FROM_CLIENT if message.from_client else 0)
        self._flags.append(flags | (_FAILED if hot is not None and hot.failed else 0))
        self._kind.append(0 if hot is None else _KINDS.index(hot.kind))
        self._count += 1

    def _connection_number(self, connection: AmqpConnection) -> int:
        known = self._connection_numbers.get(connection.tcp.stream)
        if known is not None and known[0] is connection:
            return known[1]
        number = len(self.connections)
        self.connections.append(connection)
        if len(self._connection_numbers) > limits.CONNECTIONS:
            self._connection_numbers.clear()
        self._connection_numbers[connection.tcp.stream] = connection, number
        return number

    # -- reading -------------------------------------------------------------------------------------------------------

    def time_ns(self, row: int) -> int:
        """Give the time of a message."""
        return self._time[row]

    def number(self, row: int) -> int:
        """Give the packet that completed it."""
        return self._number[row]

    def body_size(self, row: int) -> int:
        """Give the size of its body, in bytes."""
        return self._size[row]

    def is_bad(self, row: int) -> bool:
        """Tell whether it is a failure, or came back."""
        return bool(self._flags[row] & _FAILED) or _LEGS[self._flags[row] & 0xF] == "return"

    def kind(self, row: int) -> str | None:
        """Give what kind of message it is; None where it is none of oslo.messaging's."""
        return _KINDS[self._kind[row]]

    def packets(self, row: int) -> list[Packet]:
        """Give its packets."""
        last = self._first_carrier[row + 1] if row + 1 < self._count else self._carriers_end(row)
        return self._store.packets(self._carriers[self._first_carrier[row] : last], self._time[row])

    def _carriers_end(self, row: int) -> int:
        """Find where the packets of the last message end: where those of one that is being added begin."""
        return self._first_carrier[row + 1] if row + 1 < len(self._first_carrier) else len(self._carriers)

    def message(self, row: int) -> Message | None:
        """Decode a message anew; None where its packets are no longer there."""
        packets = self.packets(row)
        connection = self.connections[self._connection[row]]
        from_client = bool(self._flags[row] & _FROM_CLIENT)
        segments = segments_of(packets, connection.tcp, from_client)
        frames = Stream(packets, segments, connection.tcp, from_client).frames
        channel, size, check = self._channel[row], self._size[row], self._check[row]
        for at, frame in enumerate(frames):
            if frame.kind == FRAME_METHOD and frame.channel == channel:
                found = _content(frames, at, size)
                if found is not None and _check(found[0], found[2]) == check:
                    method, properties, body = found
                    return Message(
                        connection,
                        from_client,
                        LEGS[type(method)],
                        self._number[row],
                        tuple(packet.number for packet in packets),
                        self._time[row],
                        channel,
                        method,
                        properties,
                        body,
                        queue=self.names.values[self._queue[row]],
                    )
        return None

    def rows_of(self, number: int) -> range:
        """Give the rows of the messages that a packet completed."""
        begin = bisect_left(self._number, number, 0, self._count)
        return range(begin, bisect_right(self._number, number, begin, self._count))

    def rows_of_requests(self, request_ids: Iterable[str], begin: int, end: int) -> list[int]:
        """Give the rows, of some, of messages that may be of requests, or of what came of them; all that are."""
        hashes = [request_hash(request_id) for request_id in request_ids]
        found = np.isin(self._column(self._request, begin, end), hashes)
        found |= np.isin(self._column(self._global_request, begin, end), hashes)
        return (np.flatnonzero(found) + begin).tolist()

    def may_have(self, name: str, ids: Iterable[str], begin: int, end: int) -> npt.NDArray[np.bool_]:
        """Tell which messages from row ``begin`` to ``end`` may have one of some ids (`IDS`); all that have are."""
        return np.isin(self._column(getattr(self, IDS[name]), begin, end), [request_hash(one) for one in ids])

    # -- what filters ask ----------------------------------------------------------------------------------------------

    def quick(self, names: frozenset[str]) -> bool:
        """Tell whether these fields can be told without decoding messages."""
        return names <= _QUICK.keys() and not any(
            (self.manners if column == _COMMON else self.names).is_full
            for name in names
            for column in _QUICK[name][0]
            if column in _NAMED
        )

    def matching(
        self, matches: Callable[[Callable[[str], Any]], bool], names: frozenset[str], begin: int, end: int
    ) -> npt.NDArray[np.bool_]:
        """Tell which messages from row ``begin`` to ``end`` match a filter, for fields that are `quick`."""
        columns = sorted({column for name in names for column in _QUICK[name][0]})
        count = end - begin
        if not columns:
            return np.full(count, matches(lambda _: None))
        table = np.stack([self._column(getattr(self, column), begin, end).astype(np.int64) for column in columns])
        # Hardly any two messages have the same time or number: to look for such ones costs more than it saves.
        distinct, inverse = (table.T, None) if {"_time", "_number"} & set(columns) else _distinct(table)
        verdicts = np.array(self._verdicts(matches, sorted(names), columns, distinct), np.bool_)
        return verdicts if inverse is None else verdicts[inverse]

    def _verdicts(
        self,
        matches: Callable[[Callable[[str], Any]], bool],
        names: list[str],
        columns: list[str],
        distinct: npt.NDArray[np.int64],
    ) -> list[bool]:
        found = []
        if len(names) == len(columns) == 1:  # as it is of most parts of a filter
            of = _QUICK[names[0]][1]
            value: Any = None
            for number in distinct[:, 0].tolist():
                value = of(self, number)
                found.append(matches(lambda _: value))  # noqa: B023 - it is asked at once
            return found
        known: dict[str, int] = {}
        for numbers in distinct.tolist():
            known.update(zip(columns, numbers, strict=True))
            found.append(matches(lambda name: self._quick_value(name, known)))
        return found

    def _quick_value(self, name: str, known: dict[str, int]) -> Any:  # noqa: ANN401 - any field's value
        columns, value = _QUICK[name]
        return value(self, *(known[column] for column in columns))

    @staticmethod
    def _column(column: "array[int]", begin: int, end: int) -> npt.NDArray[Any]:
        # A copy: an array that numpy looks into cannot grow.
        return np.array(column[begin:end], column.typecode)


def request_hash(text: str | None) -> int:
    """Give a number that stands for an id, and for some others; 0 for none."""
    return 0 if text is None else hash(text) & 0xFFFF_FFFF or 1


def _check(method: ContentMethod, body: bytes) -> int:
    return crc32(body, getattr(method, "delivery_tag", 0) & 0xFFFF_FFFF)


def _content(frames: Sequence[WireFrame], at: int, size: int) -> tuple[ContentMethod, Any, bytes] | None:
    """Put the content together that begins with a method frame; None where there is none of that size."""
    first = frames[at]
    try:
        method = decode_method(first.payload, 0, len(first.payload))
        if type(method) not in LEGS:
            return None
        properties: Any = None
        body: list[bytes] = []
        have = 0
        for frame in frames[at + 1 :]:
            if frame.channel != first.channel:
                continue
            if frame.kind == FRAME_METHOD:
                return None
            payload = frame.payload
            if frame.kind == FRAME_HEADER:
                body_size, properties = decode_content_header(payload, 0, len(payload))
                if body_size != size:
                    return None
            elif frame.kind == FRAME_BODY:
                body.append(payload)
                have += len(payload)
            if properties is not None and have >= size:
                return (method, properties, b"".join(body)) if have == size else None  # type: ignore[return-value]
    except MalformedPayload:
        pass
    return None


def _distinct(table: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the distinct columns of a table, and which of them each column is."""
    order = np.lexsort(table)
    ordered = table[:, order]
    is_new = np.concatenate([[True], (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)])
    inverse = np.empty(table.shape[1], np.int64)
    inverse[order] = np.cumsum(is_new) - 1
    return ordered[:, is_new].T, inverse


_Value = Callable[..., Any]

_COMMON: Final = "_manner"
_NAMED: Final = frozenset({"_exchange", "_routing_key", "_queue", "_method", _COMMON})
_MANNER: Final = (
    "envelope",
    "namespace",
    "version",
    "reply_q",
    "timeout_s",
    "ending",
    "event_type",
    "publisher_id",
    "priority",
)
_manner_of: Final = attrgetter(*_MANNER)
IDS: Final = {"oslo.msg_id": "_msg", "oslo.unique_id": "_unique", "oslo.request_id": "_request"}
"""Fields of which the columns have a number that stands for their value, and for some others."""


def _end(of_sender: bool, name: str) -> tuple[tuple[str, ...], _Value]:
    def value(index: MessageIndex, connection: int, flags: int) -> Any:  # noqa: ANN401 - an address or a port
        from_client = bool(flags & _FROM_CLIENT)
        return getattr(index.connections[connection].tcp.sender(from_client == of_sender), name)

    return ("_connection", "_flags"), value


def _of_connection(name: str) -> tuple[tuple[str, ...], _Value]:
    return ("_connection",), lambda index, connection: getattr(index.connections[connection], name)


def _name(column: str) -> tuple[tuple[str, ...], _Value]:
    return (column,), lambda index, number: index.names.values[number]


def _common(at: int) -> tuple[tuple[str, ...], _Value]:
    def value(index: MessageIndex, number: int) -> Any:  # noqa: ANN401 - of `_MANNER`
        values = index.manners.values[number]
        return None if values is None else values[at]

    return (_COMMON,), value


_QUICK: Final[dict[str, tuple[tuple[str, ...], _Value]]] = {
    "frame.number": (("_number",), lambda _, number: number),
    "frame.time_epoch": (("_time",), lambda _, time_ns: seconds(time_ns)),
    "ip.src": _end(True, "ip"),
    "ip.dst": _end(False, "ip"),
    "tcp.srcport": _end(True, "port"),
    "tcp.dstport": _end(False, "port"),
    "tcp.stream": (("_connection",), lambda index, connection: index.connections[connection].tcp.stream),
    "amqp.leg": (("_flags",), lambda _, flags: _LEGS[flags & 0xF]),
    "amqp.channel": (("_channel",), lambda _, channel: channel),
    "amqp.exchange": _name("_exchange"),
    "amqp.routing_key": _name("_routing_key"),
    "amqp.queue": _name("_queue"),
    "amqp.body_size": (("_size",), lambda _, size: size),
    "amqp.vhost": _of_connection("vhost"),
    "amqp.user": _of_connection("user"),
    "amqp.connection_name": _of_connection("name"),
    "amqp.node": _of_connection("node"),
    "oslo": (("_kind",), lambda _, kind: _KINDS[kind]),
    "oslo.kind": (("_kind",), lambda _, kind: _KINDS[kind]),
    "oslo.method": _name("_method"),
    "oslo.failure": (("_flags",), lambda _, flags: True if flags & _FAILED else None),
    **{f"oslo.{name}": _common(at) for at, name in enumerate(_MANNER)},
}
"""Fields of messages that the columns tell: the columns, and the value by them."""
