import re
import typing

import amqp.basic_message
import amqp.channel
import amqp.connection
import amqp.spec
import pika.spec
import pytest
from amqp_values import METHOD_IDS, METHODS

from dissector.amqp import constants
from dissector.amqp.spec import CLASSES, ArgumentType, dotted
from dissector.fields import PropertiesFields

PIKA_CALLS_IT = {"global": "global_qos"}
BY_KEY = {klass.id << 16 | method.id: (klass, method) for klass, method in METHODS}
LETTERS = {  # py-amqp's, amqp.serialization.loads
    "bit": "b",
    "octet": "o",
    "short": "B",
    "long": "l",
    "longlong": "L",
    "timestamp": "L",
    "shortstr": "s",
    "longstr": "S",
    "table": "F",
}


def arguments_of_pika(method):
    code = method.__init__.__code__
    return list(code.co_varnames[1 : code.co_argcount]) if method.__init__ is not object.__init__ else []


def test_the_methods_are_those_of_pika_and_no_others():
    assert sorted(BY_KEY) == sorted(pika.spec.methods)
    assert len(BY_KEY) == len(METHODS)


@pytest.mark.parametrize(("klass", "method"), METHODS, ids=METHOD_IDS)
def test_a_method_has_the_name_the_arguments_and_the_habits_that_pika_knows(klass, method):
    theirs = pika.spec.methods[klass.id << 16 | method.id]
    assert theirs.NAME.lower() == f"{klass.name}.{method.name}".replace("_", "")
    ours = [PIKA_CALLS_IT.get(argument.name, argument.name) for argument in method.arguments]
    assert ours == arguments_of_pika(theirs)
    assert method.content == pika.spec.has_content(theirs.INDEX)
    assert bool(method.replies) == object.__new__(theirs).synchronous


@pytest.mark.parametrize(("klass", "method"), METHODS, ids=METHOD_IDS)
def test_a_reply_is_a_method_of_the_same_class_sent_by_the_other_side(klass, method):
    siblings = {sibling.name: sibling for sibling in klass.methods}
    for reply in method.replies:
        assert siblings[reply].id > method.id
        if method.sender != "both":
            assert siblings[reply].sender not in (method.sender, "both")
    if method.name.endswith("_ok"):
        assert any(method.name in sibling.replies for sibling in klass.methods)


def test_the_methods_that_py_amqp_names_have_our_ids():
    named = {
        (group, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()): value
        for group, members in vars(amqp.spec).items()
        if hasattr(members, "CLASS_ID")
        for name, value in vars(members).items()
        if isinstance(value, tuple)
    }
    ours = {(klass.name.capitalize(), method.name): (klass.id, method.id) for klass, method in METHODS}
    assert len(named) > 60
    assert named.items() <= ours.items()


def test_what_py_amqp_receives_is_sent_by_the_server_with_the_arguments_that_it_reads():
    # py-amqp leaves out arguments at the end that it has no use for, and reads a challenge as a short string.
    received = amqp.channel.Channel._METHODS | amqp.connection.Connection._METHODS
    for (class_id, method_id), theirs in received.items():
        klass, method = BY_KEY[class_id << 16 | method_id]
        ours = "".join(LETTERS[argument.type] for argument in method.arguments)
        assert method.sender in ("server", "both")
        assert method.content == theirs.content
        if (klass.name, method.name) == ("connection", "secure"):
            assert (ours, theirs.args) == ("S", "s")
        else:
            assert ours.startswith(theirs.args or "")


def test_the_properties_are_those_of_pika_of_py_amqp_and_of_the_record():
    (basic,) = (klass for klass in CLASSES if klass.properties)
    names = [argument.name for argument in basic.properties]
    assert basic.id == pika.spec.BasicProperties.INDEX
    assert names == arguments_of_pika(pika.spec.BasicProperties)
    assert names == list(PropertiesFields.__struct_fields__)
    theirs = [(name.removeprefix("application_"), kind) for name, kind in amqp.basic_message.Message.PROPERTIES]
    assert theirs == [(argument.name, LETTERS[argument.type]) for argument in basic.properties]
    for index, name in enumerate(names):
        flag = "FLAG_" + name.upper()
        assert getattr(pika.spec.BasicProperties, flag) == 0x8000 >> index


def test_every_argument_has_a_known_type():
    known = set(typing.get_args(ArgumentType))
    of_methods = {argument.type for _, method in METHODS for argument in method.arguments}
    of_properties = {argument.type for klass in CLASSES for argument in klass.properties}
    assert of_methods | of_properties == known


def test_what_is_not_in_the_specification_tells_its_source():
    beyond = {f"{k.name}.{m.name}" for k, m in METHODS if m.source != "AMQP 0-9-1"}
    assert beyond == {
        *("connection.blocked", "connection.unblocked"),
        *("connection.update_secret", "connection.update_secret_ok"),
        *("access.request", "access.request_ok"),
        *("exchange.bind", "exchange.bind_ok", "exchange.unbind", "exchange.unbind_ok"),
        *("basic.nack", "confirm.select", "confirm.select_ok"),
    }
    (unbind_ok,) = (m.id for k, m in METHODS if (k.name, m.name) == ("exchange", "unbind_ok"))
    assert unbind_ok == 51


def test_names_for_people_have_hyphens():
    basic = next(klass for klass in CLASSES if klass.name == "basic")
    assert dotted(basic, "get_ok") == "basic.get-ok"


def test_frame_constants_are_those_of_pika():
    for name in ("PORT", "FRAME_METHOD", "FRAME_HEADER", "FRAME_BODY", "FRAME_HEARTBEAT", "FRAME_END"):
        assert getattr(constants, name) == getattr(pika.spec, name)
    assert constants.FRAME_HEADER_BYTES == pika.spec.FRAME_HEADER_SIZE
    assert constants.FRAME_MIN_SIZE == pika.spec.FRAME_MIN_SIZE
    assert constants.FRAME_OVERHEAD_BYTES == pika.spec.FRAME_HEADER_SIZE + pika.spec.FRAME_END_SIZE
    assert tuple(constants.PROTOCOL_HEADER[-3:]) == pika.spec.PROTOCOL_VERSION


def test_no_two_field_types_share_a_tag():
    tags = [row.tag for row in constants.FIELD_TYPES]
    assert len(set(tags)) == len(tags)
    assert b"".join(sorted(tags)) == b"ABDFILSTUVbdfilstux"
