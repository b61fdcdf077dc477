"""Every example of a command, in the pages and in its own help, is one that the command takes; most of them are run."""

import gzip
import inspect
import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from dissector.cli.main import group
from docs.generate import clitree, console

from .. import outputs
from ..lab import truth

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(osloshark [a-z][^`]*)`")
CALLED = re.compile(r"(?:^|[|;&(] *|\bsudo |\$ ?|/bin/)osloshark +(?=[a-z-])")
ENDS = {"|", ">", ">>", "&&", ";", "<", "||", ")", ");", "2>"}
COMMENT = re.compile(r"(?:\s{2,}|\s#\s).*$")
SHOWN = ("", "sh", "text", "bash", "shell")
"""Languages of blocks in which commands stand; console is run as it stands, by another test."""
CAPTURES = (
    "rabbit.pcap",
    "rabbit.pcap0",
    "rabbit.pcap1",
    "rabbit.pcap2",
    "opening.pcap",
    "in.pcap",
    "a.pcap",
    "b.pcap",
)
PACKED = ("rabbit.pcap.gz", "rabbit.pcap1.gz")
RUN = {"agents", "calls", "completion", "fields", "read", "stats", "topology", "trace"}
ID = re.compile(r"req-0f786915[\w-]*…?|73a8fe4c|73a8…|reply_5820011b…|reply_5c1f")


class Example(NamedTuple):
    place: str
    words: tuple[str, ...]
    is_mentioned: bool
    """Only in a sentence: what it takes may be left out."""


def words_of(text):
    """The words of a command up to what follows it in the shell."""
    lexer = shlex.shlex(COMMENT.sub("", text), posix=True, punctuation_chars="|><&;()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words = []
    for word in lexer:
        if word in ENDS:
            break
        words.append(word)
    return tuple(words)


def lines():
    for page in [*console.pages(ROOT), ROOT / "pcaps" / "README.md"]:
        text = page.read_text(encoding="utf-8")
        for _, language, body in FENCED.findall(text):
            if language in SHOWN and page.name != "cli.md":
                yield from ((page.name, line, False) for line in body.splitlines())
        outside = FENCED.sub("", text)
        yield from ((page.name, found.replace("\\|", "|"), True) for found in INLINE.findall(outside))
    for command in [clitree.whole(), *clitree.commands()]:
        for section in command.sections:
            yield from ((f"{command.name} --help", line, False) for line in section.lines)


def examples():
    for place, line, is_mentioned in lines():
        for called in CALLED.finditer(line):
            words = words_of(line[called.end() :])
            if words and not words[0].startswith("-") and words[0] in group.list_commands(click.Context(group)):
                yield Example(place, words, is_mentioned)


EXAMPLES = list(dict.fromkeys(examples()))


def parsed(example):
    """The context in which a command would run."""
    context = click.Context(group, info_name="osloshark")
    command = group.get_command(context, example.words[0])
    return command.make_context(example.words[0], list(example.words[1:]), parent=context)


def test_there_are_examples_of_every_command():
    named = {example.words[0] for example in EXAMPLES if not example.is_mentioned}
    assert named == set(group.list_commands(click.Context(group)))
    assert len(EXAMPLES) > 100


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.place}: {' '.join(example.words)}"[:80])
def test_it_is_what_the_command_takes(example):
    try:
        parsed(example).close()
    except click.exceptions.Exit:
        pass
    except click.MissingParameter:
        assert example.is_mentioned
    except click.UsageError as error:
        pytest.fail(f"{example.place}: osloshark {' '.join(example.words)}: {error.format_message()}")


def test_those_on_captures_are_answered(tmp_path, monkeypatch):
    demo = truth.captures()["demo"]
    for name in CAPTURES:
        (tmp_path / name).symlink_to(demo)
    for name in PACKED:
        (tmp_path / name).write_bytes(gzip.compress(demo.read_bytes(), 1))
    known = set(CAPTURES) | set(PACKED)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for example in EXAMPLES:
        if example.words[0] not in RUN or example.is_mentioned:
            continue
        with parsed(example) as context:
            files = context.params.get("files", ())
            is_live = "-i" in example.words
        if is_live or not known.issuperset(files) or ("files" in context.params and not files):
            continue
        words = [ID.sub("req-9438fc0e-7e1c", word) for word in example.words]
        done = outputs.run(words)
        said = done.errors.decode()
        assert done.status == 0 or (done.status == 1 and words[0] in ("trace", "topology")), f"{words}: {said}"
        assert "Traceback" not in said
        ran += 1
        for made in {path.name for path in tmp_path.iterdir()} - known:
            (tmp_path / made).unlink() if not (tmp_path / made).is_dir() else shutil.rmtree(tmp_path / made)
    assert ran > 40


def test_help_is_the_help_of_the_reference():
    """What is made of the command line lacks nothing of it."""
    for command in clitree.commands():
        name = command.name.partition(" ")[2]
        shown = inspect.cleandoc(group.get_command(click.Context(group), name).help).split("\n\n")
        assert len(command.description) == len(shown)
        assert command.options
