"""The commands of docs/questions.md, run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest

from .cli.command import osloshark
from .lab import truth
from .wiring import messages

PAGE = (Path(__file__).parents[1] / "docs" / "questions.md").read_text()
ELSEWHERE = {"body_size": "big-bodies", "redelivered": "neutron-nova", "UnsupportedVersion": "neutron-nova"}
"""Captures that hold what a command asks for, where verdicts does not."""
COMMANDS = re.findall(r"^`osloshark (.+)`$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def failed():
    """A call that failed: its msg_id, and the queue that its caller waits on."""
    from dissector import read  # noqa: PLC0415 - as a user would

    replies = [m for m in read(truth.captures()["verdicts"]) if m.oslo and m.oslo.failure and m.amqp.leg == "deliver"]
    return replies[0].oslo.msg_id, replies[0].amqp.queue


def test_each_question_has_a_command():
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, 16))
    assert len(COMMANDS) == PAGE.count("```console") == 15


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_answers(command, failed):
    msg_id, queue = failed
    capture = next((name for part, name in ELSEWHERE.items() if part in command), "verdicts")
    words = [
        word.replace("ID", msg_id).replace("QUEUE", queue).replace("CAPTURE", str(truth.captures()[capture]))
        for word in shlex.split(command)
    ]
    done = osloshark(*words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    has_head = words[0] in ("calls", "stats") and "jsonl" not in words
    assert len(lines) > has_head, "an answer, not only the names of columns"


def test_the_oversized_are_found():
    large = [message for message in messages("big-bodies") if len(message.body) > 100_000]
    done = osloshark("read", "-q", "-Y", "amqp.body_size > 100000", truth.captures()["big-bodies"])
    assert len(done.stdout.splitlines()) == len(large) > 0
