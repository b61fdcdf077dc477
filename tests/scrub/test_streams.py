from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.amqp.contents import ContentReader
from dissector.amqp.events import AmqpConnection
from dissector.amqp.frames import FrameReader
from dissector.scrub.streams import Direction, Kept

from ..amqp.amqp_frames import HEARTBEAT, TCP, body, data_of, pieces_of, publish

BODIES = st.binary(max_size=40)
FRAMES = st.lists(
    st.one_of(
        st.builds(lambda channel, octets: publish(channel, octets, pieces=3), st.integers(1, 3), BODIES),
        st.builds(lambda channel, octets: publish(channel, octets, pieces=9)[:-1], st.integers(1, 3), BODIES),
        st.builds(lambda channel, octets: [body(channel, octets)], st.integers(1, 3), BODIES),
        st.just([HEARTBEAT]),
    ),
    max_size=12,
)


@given(FRAMES, st.lists(st.integers(0), max_size=20))
@settings(max_examples=60)
def test_what_is_not_whole_counts_as_where_it_is_read(frames, cuts):
    stream = b"".join(frame for some in frames for frame in some)
    direction = Direction(Kept(frozenset()))
    reader, contents = FrameReader(), ContentReader(AmqpConnection(TCP), True)
    for number, piece in enumerate(pieces_of(stream, cuts), 1):
        event = data_of(piece, number, at_start=number == 1)
        direction.feed(event, number)
        contents.feed(*reader.feed(event))
        assert direction.held_bytes == reader.held_bytes + contents.held_bytes


def test_frames_that_say_nothing_take_no_room():
    direction = Direction(Kept(frozenset()))
    direction.feed(data_of(b"".join(publish(1, b"12")[:2]), at_start=True), 0)
    for number in range(100):
        direction.feed(data_of(body(1, b""), number), None)
    assert direction.held_bytes == 0
    direction.feed(data_of(body(1, b"1"), 200), None)
    assert direction.held_bytes > 100
