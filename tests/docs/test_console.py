"""What the pages say that commands print is what they print; see `docs.generate.console`."""

import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import console

ROOT = Path(__file__).resolve().parents[2]


def test_every_page_shows_what_its_commands_print():
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run `make generate`\n{done.stdout}{done.stderr}"


def test_the_pages_that_have_output_are_those_of_the_commands():
    shown = {page.name: list(console.commands(page.read_text(encoding="utf-8"))) for page in console.pages(ROOT)}
    assert len(shown["questions.md"]) == 15
    assert len(shown["tutorial.md"]) > 10
    ran = {command.split()[1] for commands in shown.values() for command in commands}
    assert ran >= {"agents", "calls", "read", "stats", "topology", "trace", "top"}


def test_output_is_put_below_its_command(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "pcaps").mkdir()
    page.write_text(
        "# Title\n\n```console\n$ echo one; echo two >&2\nold\n$ cat <&-\n```\n\n  ```console\n  $ echo x\n  ```\n"
    )
    (tmp_path / "docs").mkdir()
    written = console.rendered(tmp_path)[page]
    assert "```console\n$ echo one; echo two >&2\none\ntwo\n$ cat <&-\ncat:" in written
    assert "\n  ```console\n  $ echo x\n  x\n  ```\n" in written
    assert console.rendered(tmp_path).keys() == {page}


def test_a_command_that_cannot_be_run_is_named(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "page.md").write_text("```console\n$ osloshark read --no-such-option x | cat\n```\n")
    with pytest.raises(
        console.CommandFailed, match=r"page\.md: osloshark read --no-such-option x \| cat: ends with status 2"
    ):
        console.rendered(tmp_path)


def test_what_one_command_writes_the_next_reads_and_nothing_stays(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "page.md").write_text("```console\n$ echo kept > file\n$ cat file\n```\n")
    (text,) = console.rendered(tmp_path).values()
    assert text == "```console\n$ echo kept > file\n$ cat file\nkept\n```\n"
    assert {path.name for path in tmp_path.iterdir()} == {"docs", "page.md"}
