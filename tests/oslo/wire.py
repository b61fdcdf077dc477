"""The captured bodies in samples/, and bodies as oslo.messaging and kombu make them."""

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from kombu.serialization import dumps

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # oslo.service imports eventlet, which warns that it is deprecated
    from oslo_messaging._drivers import amqp as amqp_driver
    from oslo_messaging._drivers import common as driver


__all__ = ["SAMPLES", "Sample", "amqp_driver", "driver", "envelope", "kombu_body", "sample"]


class Sample(NamedTuple):
    name: str
    body: bytes
    exchange: str
    compression: str | None
    expiration: str | None
    message: dict[str, Any]
    failure: dict[str, Any] | None

    @property
    def properties(self):
        return {"exchange": self.exchange, "compression": self.compression, "expiration": self.expiration}


def _load(path):
    sample = json.loads(path.read_text())
    if "CONSTRUCTED" in path.name:
        return [
            Sample(f"{path.stem} {part}", envelope(sample[part]), sample["exchange"], None, None, sample[part], None)
            for part in ("first", "second")
        ]
    body = bytes.fromhex(sample["body_hex"]) if "body_hex" in sample else sample["body_text"].encode()
    assert len(body) == sample["body_size"]
    properties = sample["properties"]
    return [
        Sample(
            path.stem,
            body,
            sample["args"]["exchange"],
            properties["application_headers"].get("compression"),
            properties.get("expiration"),
            sample["decoded_message"],
            sample.get("decoded_failure"),
        )
    ]


def envelope(message):
    """The body that oslo.messaging's rabbit driver sends for a message (kombu encodes the envelope)."""
    return kombu_body(driver.serialize_msg(message))


def kombu_body(value):
    _type, _encoding, body = dumps(value, serializer="json")
    return body if isinstance(body, bytes) else body.encode()


SAMPLES = [sample for path in sorted((Path(__file__).parent / "samples").glob("*.json")) for sample in _load(path)]


def sample(name):
    (found,) = (one for one in SAMPLES if one.name == name)
    return found
