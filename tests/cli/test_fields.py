import json

from dissector.fields import FIELDS
from dissector.filter import ALIASES

from .command import osloshark


def names(*arguments):
    return [line.split()[0] for line in osloshark("fields", *arguments).stdout.decode().splitlines()]


def test_all_fields_are_listed_aligned():
    done = osloshark("fields")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert sorted(line.split()[0] for line in lines) == sorted([*FIELDS, *ALIASES])
    assert len({line.index(FIELDS[line.split()[0]].meaning) for line in lines if line.split()[0] in FIELDS}) == 1


def test_a_part_of_the_name_chooses():
    assert names("oslo.") == [name for name in FIELDS if name.startswith("oslo.")]
    assert names("latency") == ["rpc.latency_s"]
    assert "tcp.port" in names("tcp")


def test_jsonl():
    (field,) = map(json.loads, osloshark("fields", "-T", "jsonl", "oslo.timeout_s").stdout.splitlines())
    assert field == {"name": "oslo.timeout_s", "type": "number", "unit": "s", "meaning": FIELDS[field["name"]].meaning}


def test_a_name_that_is_none():
    done = osloshark("fields", "\x1bnothing")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"osloshark: no field has '\\x1bnothing' in its name; 'osloshark fields' lists them all\n"


def test_help_has_examples_and_fits_a_terminal():
    text = osloshark("fields", "--help").stdout.decode()
    assert "Examples:" in text
    assert all(len(line) <= 80 for line in text.splitlines())
