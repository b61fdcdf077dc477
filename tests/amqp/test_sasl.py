import struct

import amqp.sasl
import pika.credentials
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.amqp.sasl import user_of

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@given(NAMES, NAMES)
def test_the_user_of_py_amqp_and_pika(user, password):
    assert user_of("AMQPLAIN", amqp.sasl.AMQPLAIN(user, password).start(None)) == user
    assert user_of("PLAIN", amqp.sasl.PLAIN(user, password).start(None)) == user
    _, response = pika.credentials.PlainCredentials(user, password).response_for(
        type("Start", (), {"mechanisms": b"AMQPLAIN PLAIN"})
    )
    assert user_of("PLAIN", response) == user


def field(name, value):
    return bytes([len(name)]) + name + b"S" + struct.pack(">I", len(value)) + value


def test_amqplain_in_any_order():
    response = field(b"PASSWORD", b"secret") + field(b"LOGIN", b"openstack")
    assert user_of("AMQPLAIN", response) == "openstack"


def test_plain_with_an_authorisation_id_and_a_password_with_zeros():
    assert user_of("PLAIN", b"admin\0openstack\0se\0cret") == "openstack"


def test_a_name_that_is_no_utf_8_is_escaped():
    assert user_of("PLAIN", b"\0\xff\0secret") == r"\xff"
    assert user_of("AMQPLAIN", field(b"LOGIN", b"\xff")) == r"\xff"


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("EXTERNAL", b""),
        ("RABBIT-CR-DEMO", b"openstack"),
        ("PLAIN", b""),
        ("PLAIN", b"\0openstack"),
        ("PLAIN", b"\0\0secret"),
        ("AMQPLAIN", b""),
        ("AMQPLAIN", field(b"PASSWORD", b"secret")),
        ("AMQPLAIN", b"\x05LOGINt\x01"),
    ],
)
def test_where_the_user_is_not_told_there_is_none(mechanism, response):
    assert user_of(mechanism, response) is None


def test_what_is_cut_gives_the_user_or_nothing():
    for mechanism, response in (
        ("AMQPLAIN", amqp.sasl.AMQPLAIN("openstack", "secret").start(None)),
        ("PLAIN", b"\0openstack\0secret"),
    ):
        for end in range(len(response)):
            assert user_of(mechanism, response[:end]) in (None, "openstack")


@given(st.sampled_from(["AMQPLAIN", "PLAIN"]), st.binary(max_size=60))
def test_random_octets_raise_nothing(mechanism, response):
    user = user_of(mechanism, response)
    assert user is None or user
