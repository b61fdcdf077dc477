import pytest
from oslo_utils import strutils

from dissector.oslo.secretkeys import FURTHER_KEYS, STEMS, STRUTILS_KEYS, mentions_secret, names_secret


def test_the_table_is_that_of_the_installed_strutils():
    assert set(strutils._SANITIZE_KEYS) <= set(STRUTILS_KEYS)


def test_stems_cover_the_whole_table():
    for key in STRUTILS_KEYS + FURTHER_KEYS:
        assert key == key.lower()
        assert any(stem.replace("_", "") in key.replace("_", "") for stem in STEMS)
        assert names_secret(key)
        assert mentions_secret(key)
        assert names_secret(f"x-{key.upper()}-1")
    assert len(STEMS) < len(STRUTILS_KEYS + FURTHER_KEYS)


@pytest.mark.parametrize("key", ["X-Auth-Token", "original_password", "token_count", "CHAPPASSWORD", "Fernetkeys"])
def test_a_part_is_enough(key):
    assert names_secret(key)
    assert strutils.mask_dict_password({key: "S3cret"}) == {key: "***"}


@pytest.mark.parametrize(
    "key", ["", "host", "key", "compass", "user_id", "groups_key", "project", "image_ref", "keypair", "passive"]
)
def test_others_do_not(key):
    assert not names_secret(key)


@pytest.mark.parametrize(
    "key",
    ["privateKey", "Private-Key", "PRIVATE KEY", "api-key", "userData", "pass", "db_pass", "bindPass", "adminPass2",
     "ｐａｓｓｗｏｒｄ", "Ｔｏｋｅｎ", "to\u212aen", "Set-Cookie", "temp_url_sig"],
)  # fmt: skip
def test_any_spelling_does(key):
    assert names_secret(key)
