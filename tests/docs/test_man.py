"""The man pages are ones that man and mandoc take without a word."""

import re
import subprocess
from pathlib import Path

import pytest

from docs.generate import clitree, man

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "man").glob("*.1"))


def test_there_is_one_for_each_command():
    names = {f"{command.name.replace(' ', '-')}.1" for command in clitree.commands()}
    assert {page.name for page in PAGES} == {*names, "osloshark.1"}


@pytest.mark.mandoc
def test_mandoc_has_nothing_to_say():
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *PAGES], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.mandoc
def test_what_is_shown_is_what_help_shows():
    (page,) = (page for page in PAGES if page.name == "osloshark-read.1")
    shown = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=100", page], capture_output=True, check=True).stdout
    text = re.sub(".\b", "", shown.decode())  # what is bold is struck twice
    assert """oslo.args.host contains "dev2" or ip.src == 10.0.0.0/8""" in text
    assert "ssh broker tcpdump -i any -U -w - port 5672 | osloshark read -" in text
    assert "-e FIELD" in text
    assert "SEE ALSO" in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (".TH is text", "\\&.TH is text"),
        ("'quoted'", "\\(aqquoted\\(aq"),
        ("a\\b --x", "a\\eb \\-\\-x"),
        ("req-1…", "req\\-1\\[u2026]"),
        ('~ ^ ` "', "\\(ti \\(ha \\(ga \\(dq"),
    ],
)
def test_nothing_is_taken_for_a_request(text, written):
    assert man._line(text) == written
