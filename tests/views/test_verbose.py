import json

from dissector.views.text import TextView
from dissector.views.verbose import VerboseView

from ..lab import truth
from ..wiring import events, published


def show(*events, **options):
    view = VerboseView(TextView(lambda: 0), lambda: 0, **options)
    return b"".join(view.feed(event) for event in events).decode()


def test_every_known_field_is_there():
    failure = json.dumps({"class": "Boom", "message": "no", "tb": ["Traceback:\n", "  File x\n"]})
    body = {"result": None, "failure": failure, "ending": True, "_msg_id": "a", "_unique_id": "b"}
    shown = show(published(json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(body)}).encode()))
    for expected in (
        "    numbers: 79, 80\n",
        "    time: 2021-11-15 18:13:20.123456 UTC\n",
        "    exchange: neutron\n",
        "        content_type: application/json\n",
        "    kind: reply\n",
        "        class: Boom\n",
        "        traceback:\n            Traceback:\n              File x\n",
        "    ending: true\n",
    ):
        assert expected in shown
    assert "null" not in shown
    assert "queue:" not in shown


def test_nested_values_are_indented():
    shown = show(published(json.dumps({"a": {"b": [1, {"c": "d"}], "e": [1, 2]}, "f": {}, "g": []}).encode()))
    assert (
        "        a:\n            b:\n                [0]: 1\n                [1]:\n                    c: d\n" in shown
    )
    assert "            e: 1, 2\n        f: {}\n        g: []\n" in shown


def test_secrets_are_masked_and_the_terminal_is_safe(capture_name):
    shown = show(*events(truth.captures()[capture_name]))
    assert all(line.isprintable() for line in shown.split("\n"))
    assert shown.count("\n\n") >= len(truth.load(capture_name))


def test_an_evil_body_cannot_forge_lines():
    body = json.dumps({"a\nb": "c\nd\x1b[2J", "e": ["\r\x9b"]}).encode()
    shown = show(published(body))
    assert "        a\\nb:\n            c\n            d\\x1b[2J\n" in shown
    assert all(line.isprintable() for line in shown.split("\n"))
