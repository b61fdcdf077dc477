import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslo_utils import strutils

from dissector.oslo.masktext import mask_text
from dissector.oslo.secretkeys import STRUTILS_KEYS

SECRETS = st.text("abcXYZ019_-+/!.", min_size=8, max_size=30).map(lambda text: "s3" + text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=S3cret", "password=***"),
        ("password = S3cret, user = admin", "password = ***, user = admin"),
        ("Login(user='admin', admin_pass='S3 cret', x=1)", "Login(user='admin', admin_pass='***', x=1)"),
        ("{'auth_token': 'S3cret', 'host': 'a'}", "{'auth_token': '***', 'host': 'a'}"),
        ("{'auth_token': u'S3cret', 'host': 'a'}", "{'auth_token': u'***', 'host': 'a'}"),
        ("{'auth_token': b'S3cret'}", "{'auth_token': b'***'}"),
        ('{"password": "S3\\"cret", "host": "a"}', '{"password": "***", "host": "a"}'),
        (r'"{\"password\": \"S3cret\", \"host\": 1}"', r'"{\"password\": \"***\", \"host\": 1}"'),
        (r"{\\\"password\\\": \\\"S3cret\\\"}", r"{\\\"password\\\": \\\"***\\\"}"),
        ('{"password": "S3cre', '{"password": "***'),
        ("{'service_catalog': [{'a': ']S3cret'}, 1], 'b': 2}", "{'service_catalog': ***, 'b': 2}"),
        ("{'user_data': {'a': 'S3cret'", "{'user_data': ***"),
        ("Token: S3cret", "Token: ***"),
        ("X-Auth-Token: S3cret\nHost: a", "X-Auth-Token: ***\nHost: a"),
        ("Authorization: Basic S3cret==\nHost: a", "Authorization: ***\nHost: a"),
        ("got bearer S3cretS3cret from", "got bearer *** from"),
        ("(('X-Auth-Token', 'S3cret'), ('Host', 'a'))", "(('X-Auth-Token', '***'), ('Host', 'a'))"),
        ("conf['password'] = 'S3cret'", "conf['password'] = '***'"),
        ("mysql --password S3cret -h a", "mysql --password *** -h a"),
        ("mysql --db-password=S3cret -h a", "mysql --db-password=*** -h a"),
        (r"'x\n--password S3cret -h'", r"'x\n--password *** -h'"),
        ("['mysql', '--password', 'S3cret', '-h']", "['mysql', '--password', '***', '-h']"),
        ('admin_password "S3cret"', 'admin_password "***"'),
        ("<adminPass>S3cret</adminPass>", "<adminPass>***</adminPass>"),
        ('password = """S3cret"""', 'password = """***"""'),
        ("rabbit://user:S3cret@host:5672/vhost", "rabbit://user:***@host:5672/vhost"),
        ("redis://:S3cret@host", "redis://:***@host"),
        ("rabbit://u:S3@cret@h1,u:S3cret@h2/v?x=1", "rabbit://u:***@h2/v?x=1"),
        ("token gAAAAABS3cret-_= end", "token *** end"),
        (r"'x\ngAAAAABS3cret'", r"'x\n***'"),
        ("-----BEGIN RSA PRIVATE KEY-----\nS3cret\n-----END RSA PRIVATE KEY----- x", "*** x"),
        ("-----BEGIN PRIVATE KEY-----\nS3cret", "***"),
    ],
)
def test_secrets(text, masked):
    assert mask_text(text) == masked
    assert mask_text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "Instance i-1 could not be found.", "password=None, token=null", "{'password': '', 'token': True}",
        "{'password': None, 'token': [], 'secret': {}}", "http://host:9696/v2.0/ports?a=b", "no password given",
        "2024-01-01T00:00:00+00:00", "fa:16:3e:00:00:01", "a --- b", "password", "password=", "token:",
        '  File "/srv/example/server.py", line 17, in boom\n    raise Ex(1)\n',
    ],
)  # fmt: skip
def test_others_stay(text):
    assert mask_text(text) == text


SHAPES = [
    "{key}={secret}", "{key} = '{secret}'", '{{"{key}": "{secret}"}}', "{{'x_{key}': u'{secret}'}}", "--{key} {secret}",
    "<{key}>{secret}</{key}>", "{key} '{secret}'", "['x', '{key}', '--os', '{secret}']", "{key}1 = {secret}",
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SHAPES[:7] + SHAPES[8:]), st.sampled_from(STRUTILS_KEYS), SECRETS, st.booleans())
def test_hides_what_strutils_hides(shape, key, secret, capitals):
    text = "before " + shape.format(key=key.upper() if capitals else key, secret=secret) + " after"
    assert secret not in strutils.mask_password(text)
    masked = mask_text(text)
    assert secret not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@given(st.text())
def test_any_text(text):
    assert isinstance(mask_text(text), str)


secret_values = st.recursive(
    SECRETS,
    lambda v: st.lists(v, min_size=1, max_size=3) | st.dictionaries(st.text("abc"), v, min_size=1, max_size=3),
    max_leaves=6,
)


@given(secret_values)
def test_any_value_of_a_key(value):
    for text in (json.dumps({"password": value, "z": 1}), str({"password": value, "z": 1})):
        assert "s3" not in mask_text(text)
        assert mask_text(text).endswith(text[-len("'z': 1}") :])
        assert "s3" not in mask_text(text[:-8])


@pytest.mark.parametrize(
    "text",
    ["token" * 40_000, "-" * 200_000, "--" + "token-" * 30_000, "://" * 60_000, "://a:" * 40_000,
     "a" * 200_000 + ":token",
     "token:{" * 30_000, 'token:"' * 30_000, "bearer " * 30_000, "\\" * 200_000 + "token:", "token" + "\\" * 200_000,
     "gAAAAA" * 30_000,
     "--a" * 60_000 + "token", "-----BEGIN PRIVATE KEY-----" * 8_000, "token " * 30_000, "token:'" + "\\'" * 90_000,
     "token='\\" * 20_000],
)  # fmt: skip
def test_hostile_texts_take_linear_time(text):
    started = time.perf_counter()
    mask_text(text)
    assert time.perf_counter() - started < 2.0
