"""All that is done with a body or a field table, and how many calls it takes."""

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from dissector.amqp.fieldtable import decode_table, to_json
from dissector.amqp.malformed import MalformedPayload
from dissector.oslo import decode, hot, jsontext, mask, mask_json, mask_text, masking
from dissector.oslo.masking import mask_bytes
from dissector.oslo.undecodable import Undecodable
from dissector.views.jsonl import json_line

_encode = msgspec.json.Encoder().encode


def _jsonl(body: bytes) -> None:
    json_line(_encode(decode(body, exchange="x")))


def _mask(body: bytes) -> None:
    try:
        mask(jsontext.loads(body))
    except Undecodable:
        return


def _text(body: bytes) -> None:
    try:
        mask_text(body.decode())
    except UnicodeDecodeError:
        mask_bytes(body)


def _table(data: bytes) -> None:
    try:
        table, _ = decode_table(data, 0, len(data))
    except MalformedPayload:
        return
    _encode(mask(to_json(table)))


BODIES: dict[str, Callable[[bytes], Any]] = {
    "decode": lambda body: decode(body, exchange="x"),
    "hot": lambda body: hot(body, exchange="x"),
    "mask": _mask,
    "mask as text": _text,
    "mask_json": mask_json,
    "jsonl": _jsonl,
}
"""What is done with a body."""

TABLES: dict[str, Callable[[bytes], Any]] = {"decode, mask, encode": _table}
"""What is done with a field table."""


def calls(work: Callable[[bytes], Any], data: bytes) -> int:
    """Count the calls, of functions in Python and in C, that some work takes, nothing remembered of the last."""
    count = 0
    masking._plain_texts.clear()
    masking._verdicts.clear()

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work(data)
    finally:
        sys.setprofile(before)
    return count
