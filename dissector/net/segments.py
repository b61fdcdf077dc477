"""From packets to TCP segments: what is around them comes off, tunnels by columns, fragments one by one."""

from collections import OrderedDict

import numpy as np

from dissector import limits
from dissector.capture.batch import PacketBatch
from dissector.net.fragments import FragmentTable, is_wanted, read_fragment
from dissector.net.ip import TCP, Datagrams, IpCounts, Payloads, Segments, read_ip, read_tcp
from dissector.net.link import Columns, ip_offsets
from dissector.net.tunnels import BROKEN, NO_IP, NO_TUNNEL, inner_ip


class SegmentReader:
    """Finds the TCP segments in packets: plain, in tunnels, in fragments, and in any nesting of both.

    Feed batches in capture order. ``counts`` is told what does not become a segment.
    """

    def __init__(self, counts: IpCounts) -> None:
        self.counts = counts
        self._tables: list[FragmentTable] = []
        """Where fragments wait, by the number of tunnels around them. Each is fed in capture order, however packets
        are cut into batches."""
        self._packets: OrderedDict[int, tuple[int, ...]] = OrderedDict()
        """The packet that completed a fragmented segment, to the packets of all its fragments."""

    def feed(self, batch: PacketBatch) -> tuple[Columns, Segments]:
        """Read a batch; the segments' offsets are into the columns' buffer."""
        end = batch.start + batch.captured
        columns = Columns(batch.buffer, spare=len(batch.buffer) - int(end.max(initial=0)))
        sent_end = np.maximum(end, batch.start + batch.original)
        ip = ip_offsets(batch, columns)
        row = np.flatnonzero(ip >= 0)
        self.counts.not_ip += len(ip) - len(row)
        some = Datagrams(row, ip, end, sent_end)
        if len(row) < len(ip):
            some = Datagrams(row, ip[row], end[row], sent_end[row])

        found: list[Payloads] = []
        numbers: dict[int, tuple[int, ...]] = {}
        for depth in range(limits.TUNNELS + 1):
            payloads = read_ip(columns, some, self.counts)
            if payloads.is_fragment.any():
                columns, payloads = self._put_together(columns, payloads, depth, batch, numbers)
            is_tcp = payloads.protocol == TCP
            if is_tcp.all():
                found.append(payloads)
                break
            found.append(payloads.select(is_tcp))
            some = self._out_of_tunnels(columns, payloads.select(~is_tcp))
            if not len(some.row):
                break
        else:
            self.counts.too_deep += len(some.row)
        tcp = Payloads.joined(found)
        if len(found) > 1:
            tcp = tcp.select(np.argsort(tcp.row))
        segments = read_tcp(columns, tcp, self.counts)
        self._remember(segments, numbers, batch.first_number)
        return columns, segments

    @property
    def has_fragments(self) -> bool:
        """Whether segments came in IP fragments of late."""
        return bool(self._packets)

    def with_fragments(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Name all packets that gave something: for those that completed a fragmented datagram, its fragments' too.

        ``numbers`` ascend, and so do those that are given; see `limits.FRAGMENTED_PACKETS`.
        """
        if self._packets.keys().isdisjoint(numbers):
            return numbers
        oldest = numbers[-1] - limits.FRAGMENTED_PACKETS
        found = set(numbers)
        for number in numbers:
            if number > oldest:
                found.update(self._packets.get(number, ()))
        return tuple(sorted(found))

    # -- what is around them ----------------------------------------------------------------------------

    def _out_of_tunnels(self, columns: Columns, some: Payloads) -> Datagrams:
        inner = inner_ip(columns, some.protocol, some.at, some.end)
        self.counts.not_tcp += int(np.count_nonzero(inner == NO_TUNNEL))
        self.counts.not_ip += int(np.count_nonzero(inner == NO_IP))
        self.counts.malformed += int(np.count_nonzero(inner == BROKEN))
        is_found = inner >= 0
        return Datagrams(some.row[is_found], inner[is_found], some.end[is_found], some.sent_end[is_found])

    def _put_together(
        self,
        columns: Columns,
        payloads: Payloads,
        depth: int,
        batch: PacketBatch,
        numbers: dict[int, tuple[int, ...]],
    ) -> tuple[Columns, Payloads]:
        """Put the fragments among some payloads together; give the payloads of all that is whole now.

        The columns that are given have the datagrams that were put together behind what they had. ``numbers`` are
        the packets of those put together in fewer tunnels, by row; the new ones come in.
        """
        while len(self._tables) <= depth:
            self._tables.append(FragmentTable(self.counts))
        table = self._tables[depth]
        some = payloads.select(payloads.is_fragment)
        buffer, first = columns.buffer, batch.first_number
        rows: list[int] = []
        pieces: list[bytes] = []
        sent: list[int] = []
        fields = (some.row, batch.time_ns[some.row], some.is_ipv6, some.ip, some.at, some.end, some.sent_end)
        for row, time_ns, is_ipv6, *where in zip(*(column.tolist() for column in fields), strict=True):
            fragment = read_fragment(buffer, *where, is_ipv6=is_ipv6)
            if fragment is None:
                self.counts.malformed += 1
            elif not is_wanted(fragment):
                self.counts.not_tcp += 1
            else:
                whole = table.add(fragment, numbers.get(row, (first + row,)), time_ns)
                if whole is not None:
                    numbers[row] = whole.numbers
                    rows.append(row)
                    pieces.append(whole.data)
                    sent.append(whole.size)
        payloads = payloads.select(~payloads.is_fragment)
        if not pieces:
            return columns, payloads
        columns = Columns(buffer, *pieces)
        size = np.array([len(piece) for piece in pieces], np.int64)
        end = len(buffer) + np.cumsum(size)
        start = end - size
        together = Datagrams(np.array(rows, np.int64), start, end, start + np.array(sent, np.int64))
        new = read_ip(columns, together, self.counts)
        # A fragment header behind a fragment header (IPv6): no host sends that.
        self.counts.malformed += int(np.count_nonzero(new.is_fragment))
        payloads = Payloads.joined([payloads, new.select(~new.is_fragment)])
        return columns, payloads.select(np.argsort(payloads.row))

    def _remember(self, segments: Segments, numbers: dict[int, tuple[int, ...]], first_number: int) -> None:
        oldest = first_number - 2 * limits.FRAGMENTED_PACKETS
        while self._packets and (number := next(iter(self._packets))) < oldest:
            del self._packets[number]
        if numbers:
            for row in segments.row[(segments.size > 0) & np.isin(segments.row, list(numbers))].tolist():
                self._packets[first_number + row] = numbers[row]
