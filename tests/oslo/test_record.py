import base64
import json
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import compression as kombu

from dissector.fields import BodyFields, OsloFields
from dissector.oslo import decode, mask_json

from .wire import SAMPLES, amqp_driver, driver, envelope, kombu_body, sample

SECRET = "S3cretCanary"


def body_of(body, **options):
    decoded = decode(body, exchange="", **options)
    assert decoded.oslo is None
    return decoded.body


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one.name)
def test_samples(one):
    """Every field of the record against the decoded message that was captured with the body."""
    decoded = decode(one.body, **one.properties, show_secrets=True)
    assert decoded.body is msgspec.UNSET
    record, message = json.loads(msgspec.json.encode(decoded.oslo)), dict(one.message)
    context = {key.removeprefix("_context_"): message.pop(key) for key in one.message if key.startswith("_context_")}
    assert record.pop("context") == (context or None)
    assert record.pop("request_id") == context.get("request_id")
    for key in ("msg_id", "reply_q", "unique_id"):
        assert record.pop(key) == message.pop("_" + key, None)
    failure = one.failure and {key: one.failure[key] for key in ("class", "module", "message")}
    assert record.pop("failure") == (failure and failure | {"traceback": "".join(one.failure["tb"])})
    message.pop("failure", None)
    for key in ("envelope", "kind", "timeout_s"):  # compared in test_message.py
        record.pop(key)
    assert {key: value for key, value in record.items() if value is not None} == {
        key: value for key, value in message.items() if value is not None and key not in ("_timeout", "timestamp")
    }


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one.name)
def test_samples_against_oslo_messaging(one):
    """The same with oslo.messaging's and kombu's own code."""
    body = kombu.decompress(one.body, one.compression) if one.compression else one.body
    theirs = driver.deserialize_msg(json.loads(body))
    ours = decode(one.body, **one.properties, show_secrets=True).oslo
    if theirs.get("failure"):
        error = driver.deserialize_remote_exception(theirs["failure"], ["oslo_messaging.rpc.dispatcher"])
        name = getattr(error, "exc_type", None) or type(error).__name__.removesuffix("_Remote")
        assert name == ours.failure.class_
        assert ours.failure.message in str(error)
        assert ours.failure.traceback.splitlines()[-1] in str(error)
    if "method" in theirs or "event_type" in theirs:
        context = amqp_driver.unpack_context(theirs)
        values = context.to_dict()
        del values["client_timeout"]
        assert ours.context == (values or None)
        assert (ours.msg_id, ours.reply_q) == (context.msg_id, context.reply_q)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8
)
names = st.text("abcdefgh_", min_size=1, max_size=10)


@given(names, st.dictionaries(names, values, max_size=4), st.dictionaries(names, values, max_size=4), st.booleans())
def test_requests_that_oslo_messaging_makes(method, args, context, call):
    message = {"method": method, "args": args, "version": "1.0", "_unique_id": "u"}
    if call:
        message |= {"_msg_id": "i", "_reply_q": "reply_i", "_timeout": None}
    amqp_driver.pack_context(message, context)
    oslo = decode(envelope(message), exchange="nova", expiration="2500", show_secrets=True).oslo
    assert (oslo.kind, oslo.timeout_s) == (("call", 2.5) if call else ("cast", None))
    assert (oslo.method, oslo.args, oslo.context or {}) == (method, args, context)
    assert oslo.envelope == driver._RPC_ENVELOPE_VERSION


@given(values, st.booleans())
def test_replies_that_oslo_messaging_makes(result, ending):
    message = {"result": result, "failure": None, "ending": ending, "_msg_id": "i", "_unique_id": "u"}
    oslo = decode(envelope(message), exchange="", show_secrets=True).oslo
    assert oslo.result == result
    assert oslo.ending is ending
    assert oslo.kind == ("heartbeat" if result is None and not ending else "reply")


class Remote(Exception):
    def __init__(self, text, **kwargs):
        super().__init__(text)
        self.kwargs = kwargs


@given(st.text(), st.dictionaries(names, scalars, max_size=3), st.sampled_from([Remote, ValueError, KeyError]))
def test_failures_that_oslo_messaging_makes(text, kwargs, error_class):
    try:
        raise error_class(text, **kwargs) if error_class is Remote else error_class(text)
    except Exception as error:
        failure = driver.serialize_remote_exception(sys.exc_info())
        expected = str(error)
    body = envelope({"result": None, "failure": failure, "ending": True, "_msg_id": "i", "_unique_id": "u"})
    found = decode(body, exchange="", show_secrets=True).oslo.failure
    assert (found.class_, found.message) == (error_class.__name__, expected)
    assert found.module == ("builtins" if error_class is not Remote else __name__)
    assert found.traceback == "".join(json.loads(failure)["tb"])
    theirs = driver.deserialize_remote_exception(failure, [])
    if error_class is Remote:  # a module that the client does not trust
        assert (theirs.exc_type, theirs.value) == (found.class_, found.message)
    else:
        assert type(theirs) is error_class
        assert found.message in theirs.args[0] or error_class is KeyError


def test_record_has_exactly_the_designed_keys():
    record = json.loads(msgspec.json.encode(decode(sample("call_request").body, exchange="nova", expiration="60000")))
    assert list(record) == ["oslo"]
    assert list(record["oslo"]) == [field.encode_name for field in msgspec.structs.fields(OsloFields)]
    assert record["oslo"]["context"]["auth_token"] == "***"
    assert record["oslo"]["args"] == {"host": "node1"}
    assert record["oslo"]["timeout_s"] == 60.0


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ({"method": "m", "args": [1]}, {"kind": "cast", "args": None}),
        ({"method": "m", "args": "x", "version": 1.0, "namespace": {}}, {"version": None, "namespace": None}),
        ({"method": "m", "_context_request_id": 5}, {"request_id": None, "context": {"request_id": 5}}),
        ({"method": "m", "_context_": 1, "_contextx": 2}, {"context": {"": 1}}),
        ({"method": "m"}, {"context": None, "args": None}),
        ({"ending": "true", "result": 1}, {"kind": "reply", "ending": None, "result": 1}),
        ({"result": 1, "_msg_id": [], "_unique_id": 2}, {"msg_id": None, "unique_id": None}),
        ({"event_type": "e", "publisher_id": "p", "priority": 1, "payload": [1]}, {"priority": None, "payload": [1]}),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_null(message, fields):
    oslo = decode(envelope(message), exchange="x").oslo
    assert {name: getattr(oslo, name) for name in fields} == fields


@pytest.mark.parametrize("version", ["3.0", 2.0, None])
def test_any_envelope_version(version):
    body = kombu_body({"oslo.version": version, "oslo.message": '{"method": "m"}'})
    assert decode(body, exchange="").oslo.envelope == (version if isinstance(version, str) else None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", BodyFields(text="")),
        (b"hello", BodyFields(text="hello")),
        (b"null", BodyFields(json=None)),
        (b"[1, 2]", BodyFields(json=[1, 2])),
        (b'{"a": NaN, "b": "\\ud800"}', BodyFields(json={"a": "NaN", "b": "\ufffd"})),
        (b"\xff\xfe", BodyFields(base64="//4=")),
        (b'{"oslo.version": "2.0"}', BodyFields(json={"oslo.version": "2.0"})),
        (b"password=S3cret x", BodyFields(text="password=*** x")),
        (b"\xff password=S3cret x", BodyFields(base64=base64.b64encode(b"\xff password=*** x").decode())),
        (b'{"password": "S3cret"}', BodyFields(json={"password": "***"})),
        (b'{"password": "S3cret', BodyFields(text='{"password": "***')),
    ],
)
def test_foreign_bodies(body, expected):
    assert body_of(body) == expected
    record = json.loads(msgspec.json.encode(body_of(body)))
    assert len(record) == 1
    assert "***" not in str(body_of(body, show_secrets=True))


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ("{", "oslo.message: not JSON: Expecting property name enclosed in double quotes at character 1"),
        ("[1]", "oslo.message is not a JSON object"),
        ({"method": "m"}, "oslo.message is not a string"),
        (None, "oslo.message is not a string"),
        ('{"a": 1}', "oslo.message is no request, reply or notification"),
        ("[" * 500 + "]" * 500, "oslo.message: JSON is nested deeper than 128 levels"),
    ],
)
def test_envelope_with_something_else_in_it(inner, reason):
    value = {"oslo.version": "2.0", "oslo.message": inner}
    assert body_of(kombu_body(value)) == BodyFields(json=value, reason=reason)


def test_broken_envelopes():
    cut = body_of(sample("call_request").body[:-10])
    assert "gAAAAAB" not in cut.text
    assert "get_host_uptime" in cut.text
    assert cut.reason.startswith("not JSON: Unterminated string")
    inner = body_of(kombu_body({"oslo.version": "2.0", "oslo.message": '{"method": "m", "password": "S3cret'}))
    assert inner.json["oslo.message"] == '{"method": "m", "password": "***'
    assert inner.reason.startswith("oslo.message: not JSON")
    assert body_of(b"[" * 500 + b"]" * 500).reason == "JSON is nested deeper than 128 levels"


def test_compressed_bodies_that_cannot_be_opened_show_nothing():
    body = envelope({"method": "m", "args": {"password": SECRET}})
    for given_body, name in ((body, "application/x-foo"), (kombu.compress(body, "bzip2")[0][:-5], "application/x-bz2")):
        hidden = body_of(given_body, compression=name)
        assert hidden.text == "***"
        assert "compression" in hidden.reason
        shown = body_of(given_body, compression=name, show_secrets=True)
        assert base64.b64decode(shown.base64) == given_body
        assert shown.reason == hidden.reason


def places():
    """One message for each place where a secret is known to travel."""
    nested = {"a": [{"b": {"admin_pass": SECRET}}]}
    free = ["password=" + SECRET, f"rabbit://u:{SECRET}@h/", f"{{'auth_token': '{SECRET}'}}", "gAAAAAB" + SECRET]
    request = {"method": "m", "args": {}, "_unique_id": "u"}
    for key in ("auth_token", "auth_token_info", "service_catalog", "password", "aws_creds", "trust_id"):
        for value in (SECRET, [{"endpoints": SECRET}], {"x": SECRET}):
            yield request | {f"_context_{key}": value}
    yield request | {"_context_trace_info": {"hmac_key": SECRET}}
    for key in ("injected_files", "user_data", "hmac_key", "psk", "connection_info.data.auth_password", "X-Auth-Token"):
        yield request | {"args": {key: SECRET}}
    for value in (nested, [nested], json.dumps(nested), json.dumps({"x": json.dumps(nested)}), *free):
        yield request | {"args": {"x": value}}
        yield request | {"_context_x": value}
        yield {"result": value, "failure": None, "ending": True, "_unique_id": "u"}
        yield {"event_type": "e", "publisher_id": "p", "payload": value, "_unique_id": "u"}
        yield {"foreign": value}
        yield [value]
    for text in free:
        failure = {
            "class": "E",
            "module": "m",
            "message": text,
            "tb": ["x\n", text + "\n"],
            "args": [text],
            "kwargs": nested,
        }
        yield {"result": None, "failure": json.dumps(failure), "ending": True, "_unique_id": "u"}
        yield {"result": None, "failure": failure, "ending": True, "_unique_id": "u"}
        yield {"result": None, "failure": text, "ending": True, "_unique_id": "u"}
        yield {"result": None, "failure": [text], "ending": True, "_unique_id": "u"}


@pytest.mark.parametrize("message", list(places()), ids=str)
def test_canary(message):
    for body in (envelope(message), kombu_body(message)):
        for given_body, compression in ((body, None), (kombu.compress(body, "gzip")[0], "gzip")):
            hidden = msgspec.json.encode(decode(given_body, exchange="x", compression=compression)).decode()
            assert SECRET not in hidden
            assert "***" in hidden
            shown = decode(given_body, exchange="x", compression=compression, show_secrets=True)
            assert SECRET in msgspec.json.encode(shown).decode()
            masked = mask_json(given_body, compression).decode()
            assert SECRET not in masked
            assert "***" in masked
    for cut in range(1, 40, 3):
        body = envelope(message)[:-cut]
        if body.endswith(SECRET.encode()):  # a URL that is cut before its @ could as well end in a port
            continue
        assert SECRET not in msgspec.json.encode(decode(body, exchange="x")).decode()
