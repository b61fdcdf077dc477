"""A session without a screen."""

from contextlib import contextmanager

from dissector.amqp import Message
from dissector.reading import Reading
from dissector.tui.session import Session


@contextmanager
def read(*paths, **named):
    """Read captures to their end."""
    files = [str(path) for path in paths]
    session = Session(Reading(files), files, **named)
    session.start()
    session._thread.join()
    try:
        yield session
    finally:
        session.close()


def messages_in(*paths):
    """The messages of captures."""
    reading = Reading([str(path) for path in paths])
    found = [event for event in reading if isinstance(event, Message)]
    reading.close()
    return found
