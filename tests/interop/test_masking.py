"""The plugin masks what osloshark masks, by the same tables: the one is compared with the other."""

import ast
import json
import random
import shutil
from pathlib import Path

import pytest

from dissector.oslo import mask, mask_text
from dissector.oslo.jsontext import loads
from dissector.oslo.undecodable import Undecodable

from ..fuzz import shapes
from . import plain

PARTS = (
    "password", "admin_pass", "token", "X-Auth-Token", "key", "api key", "auth", "user", " ", "  ", "=", ":", ": ", "'",
    '"', '\\"', '\\\\"', ",", ";", "--", "-v ", "<", ">", "</", "{", "}", "[", "]", "(", ")", "None", "null", "true",
    "***", "abc", "x1", "\n", "\\n", "https://", "@", "/", "bearer ", "Basic ", "gAAAAAxyz", "cookie", "Authorization",
    "eyJhbGciOiJIUzI1NiJ9.abc", "value", "'value': '", "==", "=>", "|\n  a\n", "u'", 'b"', "secret_uuid", "trust",
    "1234", "bypass", "compass", "passive", "é", "AQ" + "a" * 36 + "==", "user_data", "%3D", "\t", "..", "-",
    "ｐａｓｓｗｏｒｄ",
)  # fmt: skip
"""What secrets in texts are made of."""


@pytest.fixture(params=plain.LUAS)
def interpreter(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    return request.param


def texts_of_tests():
    """All texts that stand in the tests of the masking in Python."""
    found = set()
    for name in ("test_masktext.py", "test_masking.py"):
        tree = ast.parse((Path(__file__).parents[1] / "oslo" / name).read_text(encoding="utf-8"))
        found |= {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return sorted(text for text in found if text.isprintable() or text.isascii())


def test_texts_of_the_tests_in_python(interpreter, tmp_path):
    texts = [text for text in texts_of_tests() if not any("\ud800" <= char <= "\udfff" for char in text)]
    assert len(texts) > 200
    found = plain.masked_texts(interpreter, texts, tmp_path)
    assert dict(zip(texts, found, strict=True)) == {text: mask_text(text) for text in texts}


def test_texts_put_together(interpreter, tmp_path):
    dice = random.Random(7)
    texts = ["".join(dice.choice(PARTS) for _ in range(dice.randrange(1, 14))) for _ in range(3000)]
    found = plain.masked_texts(interpreter, texts, tmp_path)
    assert dict(zip(texts, found, strict=True)) == {text: mask_text(text) for text in texts}


def test_values(interpreter, tmp_path):
    dice = random.Random(8)
    texts = [make(size).decode(errors="replace") for make in shapes.JSON.values() for size in (40, 2000)]
    for _ in range(300):
        pairs = {
            dice.choice(PARTS): dice.choice((dice.choice(PARTS), 5, None, False, [], ["--token", "x"]))
            for _ in range(4)
        }
        texts.append(json.dumps({"a": pairs, "b": json.dumps(pairs), "c": [[*pairs], pairs]}))
    found = plain.masked_values(interpreter, texts, tmp_path)
    for text, shown in zip(texts, found, strict=True):
        try:
            wanted = mask(loads(text))
        except Undecodable:
            assert shown == "none", text[:200]
        else:
            assert shown != "none", text[:200]
            assert same(json.loads(shown), wanted), text[:200]


def same(one, other):
    """Equal, and so is the JSON in their strings, which each writes in its own notation."""
    if isinstance(one, str) and isinstance(other, str) and one != other:
        return same(json.loads(one), json.loads(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_masking_takes_time_in_proportion(interpreter, tmp_path):
    """The search stays linear: ten times the text is not more than some thirty times the work."""
    script = (
        'local masktext = need("masktext")\n'
        "local parts = {'password', '\\\\', 'key: ', '<token>', '\"secret\", ', 'cookie: x\\n', '://a:', 'eyJ',\n"
        "  'bearer ',\n"
        "  '-----BEGIN ', \"pass='\", 'password = {', 'token \\\\\\\\', 'api_key  ', '--password token: '}\n"
        "for _, part in ipairs(parts) do\n"
        "  local work = {}\n"
        "  for index, count in ipairs({100, 1000}) do\n"
        "    local steps = 0\n"
        "    debug.sethook(function() steps = steps + 1 end, '', 100)\n"
        "    masktext.mask_text(string.rep(part, count))\n"
        "    debug.sethook()\n"
        "    work[index] = steps\n"
        "  end\n"
        "  if work[2] > 30 * (work[1] + 20) then print(part, work[1], work[2]) end\n"
        "end\n"
    )
    assert plain.run(interpreter, script, [], tmp_path) == []
