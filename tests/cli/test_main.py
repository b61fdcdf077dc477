import re
import subprocess
import sys

import pytest

from dissector import __version__

from .command import osloshark


def test_version():
    done = osloshark("--version")
    assert (done.returncode, done.stdout) == (0, f"osloshark {__version__}\n".encode())


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["read", "--help"], ["read", "-h"]])
def test_help_has_examples_and_fits_a_terminal(arguments):
    done = osloshark(*arguments)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "Examples:" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_help_documents_the_exit_status():
    text = osloshark("--help").stdout.decode()
    assert re.findall(r"^ +(\d+)  ", text, re.MULTILINE) == ["0", "1", "2", "70", "130"]
    assert "trace or topology --queue did not find the one thing asked for" in " ".join(text.split())


def test_without_a_command_help_is_shown_as_an_error():
    done = osloshark()
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Commands:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["raed"], "No such command 'raed'"),
        (["--nonsense"], "No such option"),
        (["read"], "no capture given"),
        (["read", "-T", "xml", "x.pcap"], "'xml' is not one of 'text', 'jsonl'"),
        (["read", "-T", "jsonl", "-V", "x.pcap"], "-V goes with -T text"),
        (["read", "-c", "0", "x.pcap"], "0 is not in the range"),
        (["read", "--port", "70000", "x.pcap"], "70000 is not in the range"),
        (["read", "no-such.pcap"], "no-such.pcap: "),
        (["read", "/"], "/: "),
        (["read", "-", "-"], "standard input"),
    ],
)
def test_errors_are_one_line_and_status_2(arguments, error):
    done = osloshark(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    text = done.stderr.decode()
    assert text.startswith("osloshark: ")
    assert error in text
    assert text.count("\n") == 1


def test_help_does_not_load_the_decoders():
    code = "import sys; from dissector.cli.main import group; group.main(['--help'], standalone_mode=False);"
    done = subprocess.run(
        [sys.executable, "-c", code + "print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not {"numpy", "msgspec", "rich"}.intersection(done.stdout.splitlines()[-1].split())
