"""At a glance a message is what it is when all of it is decoded; what is no message is left to that."""

import json
import random

import pytest

from dissector.limits import JSON_DEPTH

from ..fuzz import shapes
from ..lab import truth
from . import plain

pytestmark = pytest.mark.tshark

SCRIPT = """
local glance, json, oslo = need("glance"), need("json"), need("oslo")
local NAMES = {
  "kind", "envelope", "method", "namespace", "version", "msg_id", "reply_q", "unique_id", "request_id", "timeout_s",
  "ending", "event_type", "publisher_id", "priority", "message_id", "reason",
}
for line in io.lines() do
  local body = line:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end)
  oslo.forget()
  local whole = oslo.decode(body, "neutron", "60000", true)
  oslo.forget()
  local part = oslo.decode(body, "neutron", "60000", false)
  local found = {}
  for _, name in ipairs(NAMES) do
    if whole[name] ~= part[name] then
      found[#found + 1] = name
    end
  end
  for _, name in ipairs({ "class", "module", "message", "traceback" }) do
    if (whole.failure or {})[name] ~= (part.failure or {})[name] then
      found[#found + 1] = "failure." .. name
    end
  end
  print((part.is_partial and "glance" or "whole") .. " " .. table.concat(found, ","))
end
"""


def looks(bodies, directory):
    """Whether each body was known at a glance; fails where that tells anything else than a decode of the whole."""
    answers = plain.run_in_tshark(SCRIPT, [body.hex() for body in bodies], directory)
    answers = [answer for answer in answers if answer.startswith(("glance ", "whole "))]
    assert len(answers) == len(bodies)
    for body, answer in zip(bodies, answers, strict=True):
        assert answer in ("glance ", "whole "), (answer, body[:300])
    return [answer == "glance " for answer in answers]


def both(message):
    """A message by itself, and in an envelope."""
    return message.encode(), json.dumps({"oslo.version": "2.0", "oslo.message": message}).encode()


HEAD = '"_unique_id": "u", "_msg_id": "i", "method": "m"'
KNOWN = (
    "{%s}",
    '{%s, "args": {}}',
    '{%s, "a": [1, -0.5e+3, null, true, false, NaN, -Infinity, "", {}, []]}',
    '{%s, "method": "last"}',
    '{%s, "version": null}',
    '{%s, "args": {"method": "no"}}',
    '{%s, "a": "x\\"y\\\\", "b": 1}',
    '{%s, "version": "\\u00e9\\ud83d\\ude00"}',
    '{%s, "a":1,"b":[1,2]}',
    '{%s, "a": "[}{\\\\\\"]"}',
    '{"_unique_id": "u", "_msg_id": "i", "failure": "{\\"class\\": \\"E\\", \\"tb\\": [\\"a\\\\nb\\"]}"}',
    '{"_unique_id": "u", "_msg_id": "i", "result": NaN, "ending": true}',
    '{"_unique_id": "u", "_msg_id": "i", "result": null, "ending": false}',
    '{%s, "args": ' + "[" * (JSON_DEPTH - 1) + "]" * (JSON_DEPTH - 1) + "}",
)
UNKNOWN = (
    "{%s,}",
    "{%s}}",
    "{%s} ",
    " {%s}",
    "[%s]",
    "{}",
    "{%s, {}}",
    '{%s, "a": 1',
    '{%s "a": 1}',
    '{%s, "a" : 1}',
    "{%s, a: 1}",
    '{%s, "a": 01}',
    '{%s, "a": .5}',
    '{%s, "a": tru}',
    '{%s, "a": [1,]}',
    '{%s, "a": "\\x"}',
    '{%s, "a": "\\u12"}',
    '{%s, "a": "\t"}',
    '{%s, "a": "é"}',
    '{%s, "meth\\u006fd": "other"}',
    '{%s, "method": 5}',
    '{%s, "failure": {"class": "E"}}',
    '{%s, "oslo.version": "2.0", "oslo.message": "{}"}',
    '{%s, "args": ' + "[" * JSON_DEPTH + "]" * JSON_DEPTH + "}",
)


def test_what_is_known_at_a_glance(tmp_path):
    assert all(looks([body for text in KNOWN for body in both(text.replace("%s", HEAD))], tmp_path))


def test_what_needs_a_closer_look(tmp_path):
    assert not any(looks([body for text in UNKNOWN for body in both(text.replace("%s", HEAD))], tmp_path))


def test_the_messages_of_captures_and_broken_ones(tmp_path):
    dice = random.Random(11)
    bodies = [record.body for name in ("demo", "verdicts", "old-releases") for record in truth.load(name)]
    known = looks(bodies, tmp_path)
    assert sum(known) > 0.9 * len(known)
    broken = []
    for body in bodies * 8:
        octets = bytearray(body)
        for _ in range(dice.randrange(1, 4)):
            octets[dice.randrange(len(octets))] = dice.choice(b'"\\{}[]:, 0\n\0\xe9' + bytes([dice.randrange(256)]))
        broken.append(bytes(octets))
    broken += [wrap(make(300)) for make in shapes.JSON.values() for wrap in (bytes, shapes.enveloped)]
    assert 0 < sum(looks(broken, tmp_path)) < len(broken)
