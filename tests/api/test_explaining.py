import pytest

import dissector
from dissector.views.explained import explained_lines

from ..lab import truth
from ..outputs import run

DEMO = truth.captures()["demo"]


@pytest.mark.parametrize("show_secrets", [False, True])
def test_it_is_what_the_command_shows(show_secrets):
    message = list(dissector.read(DEMO, show_secrets=show_secrets))[40]
    explained = dissector.explain(DEMO, message, show_secrets=show_secrets)
    words = ["--show-secrets"] if show_secrets else []
    words += ["-Y", f"frame.number == {message.frame.number}", str(DEMO)]
    assert run(["read", "-V", "--bytes", *words]).output.decode().splitlines()[1:-1] == list(explained_lines(explained))


def test_of_several_messages_in_a_packet_it_is_that_one():
    path = truth.captures()["channels"]
    messages = list(dissector.read(path))
    shared = [m for m in messages if sum(m.frame.number == other.frame.number for other in messages) > 1]
    assert len(shared) > 2
    for message in shared[:6]:
        keys = [part.value for _, part in dissector.explain(path, message).walk() if part.name == "delivery_tag"]
        assert keys == ([] if message.amqp.delivery_tag is None else [str(message.amqp.delivery_tag)])


def test_a_message_of_another_capture_is_told():
    message = next(dissector.read(truth.captures()["ipv6"]))
    with pytest.raises(dissector.UsageError, match="no such message in these captures"):
        dissector.explain(DEMO, message)
