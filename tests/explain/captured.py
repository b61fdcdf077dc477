"""Every event of a capture with its packets."""

from dissector.amqp import Message
from dissector.capture import open_capture
from dissector.explain.recent import packet_at
from dissector.reading import Reading


def packets_in(path):
    """The packets of a capture by number."""
    with open_capture([path]) as capture:
        return {batch.first_number + index: packet_at(batch, index) for batch in capture for index in range(len(batch))}


def events_in(path):
    """The events of a capture, each with its packets."""
    packets = packets_in(path)
    reading = Reading([path])
    events = list(reading)
    reading.close()
    for event in events:
        numbers = event.numbers if isinstance(event, Message) else (event.number,)
        yield event, [packets[number] for number in numbers]
