"""The plugin shows what the command line says, field by field and message by message, under real tshark."""

import json
import math

import pytest

from ..amqp.amqp_frames import publish
from ..damage import check
from ..damage.kinds import damaged
from ..damage.talk import read
from ..lab import truth
from ..test_against_tshark import GREETING, write
from .plugin import OWN_FRAMING, SHARED, Said, shown, tshark

MESSAGE = '{"method": "m", "_unique_id": "u", "args": {"x": "%s"}}'

pytestmark = pytest.mark.tshark


def is_same(one, other):
    """Times are shown with 15 digits."""
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=4e-15, abs_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


def differences(expected, found, names):
    """Every field that is not the same: name, packet, what was expected, what was found."""
    for name in names:
        wanted = expected.fields(name)
        got = {number: fields[name] for number, fields in found.items() if name in fields}
        for number in sorted(wanted.keys() | got.keys()):
            if not is_same(wanted.get(number), got.get(number)):
                yield name, number, wanted.get(number), got.get(number)


def both(path, *options):
    """What the command line says and the plugin shows; of bodies in codecs that Lua has not, that they are told."""
    expected, found = Said(path), shown(path, *options)
    assert found.keys() == expected.messages.keys()
    for number, messages in list(expected.messages.items()):
        headers = [message["amqp"]["properties"].get("headers") or {} for message in messages]
        if any(each.get("compression") not in (None, "application/x-gzip") for each in headers):
            assert "this plugin cannot undo it" in found.pop(number)["body.reason"][0]
            del expected.messages[number]
    return expected, found


@pytest.mark.parametrize("options", [(), OWN_FRAMING], ids=["stock", "own"])
def test_every_field_of_the_shipped_captures_in_two_passes(capture_name, options):
    expected, found = both(truth.captures()[capture_name], "-2", *options)
    assert not list(differences(expected, found, SHARED))


def test_every_field_of_messages_in_one_pass(capture_name):
    expected, found = both(truth.captures()[capture_name])
    assert not list(differences(expected, found, [name for name in SHARED if not name.startswith("rpc.")]))
    # The verdict on a call is known with its reply.
    for call in expected.calls:
        rpc = call["rpc"]
        number = rpc["frames"]["reply_deliver"]
        if rpc["status"] in ("ok", "failed") and number in found:
            assert rpc["status"] in found[number]["rpc.status"]
            assert rpc["latency_s"] is None or any(
                is_same(rpc["latency_s"], value) for value in found[number]["rpc.latency_s"]
            )


DAMAGES = (
    "loss of 1 %", "loss of 10 %", "burst loss", "client's packets lost", "start at any packet",
    "start inside a packet", "snap length 1000", "duplicates later", "reordered by up to 64",
    "segments recut, 1 % loss", "sequence wrap", "FIN in the middle", "RST in the middle",
    "clock steps of 1 h, 1 % loss",
)  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_every_field_of_damaged_captures_by_own_framing(tmp_path, kind):
    talk = damaged(read(truth.captures()["neutron-nova"]), kind, "plugin")
    path = tmp_path / "damaged.pcap"
    check.write(path, talk.packets)
    expected, found = both(path, "-2", *OWN_FRAMING)
    # Why a request was not answered may be told otherwise: the plugin takes note of fewer kinds of broken bytes.
    assert not list(differences(expected, found, [name for name in SHARED if name != "rpc.cause"]))


def test_frames_over_a_mebibyte_by_own_framing(tmp_path):
    octets = b"".join(
        publish(1, json.dumps({"oslo.version": "2.0", "oslo.message": MESSAGE % ("x" * (1 << 20))}).encode())
    )
    path = write(
        tmp_path / "x.pcap", [*GREETING, *((True, octets[at : at + 40_000]) for at in range(0, len(octets), 40_000))]
    )
    assert "cast m → k" in tshark(path, "-Y", "oslo", *OWN_FRAMING)
