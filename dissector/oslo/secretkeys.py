"""The names of what must not be shown: one table, matched the way OpenStack's own log filter matches, and more widely.

A name is matched in any case, with any sign or none between its words (``private_key``, ``Private-Key``,
``privateKey``), and after the compatibility forms of Unicode were undone (full-width letters).
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import product
from typing import Final

STRUTILS_KEYS: Final = (
    "adminpass", "admin_pass", "password", "admin_password", "auth_token", "new_pass", "auth_password",
    "secret_uuid", "secret", "sys_pswd", "token", "configdrive", "chappassword", "encrypted_key", "private_key",
    "fernetkey", "sslkey", "passphrase", "cephclusterfsid", "octaviaheartbeatkey", "rabbitcookie",
    "cephmanilaclientkey", "pacemakerremoteauthkey", "designaterndckey", "cephadminkey", "heatauthencryptionkey",
    "cephclientkey", "keystonecredential", "barbicansimplecryptokek", "cephrgwkey", "swifthashsuffix",
    "migrationsshkey", "cephmdskey", "cephmonkey", "chapsecret",
)  # fmt: skip
"""``_SANITIZE_KEYS`` of oslo.utils 10 (``oslo_utils/strutils.py``), letter for letter."""

FURTHER_KEYS: Final = (
    "injected_files", "personality", "user_data", "hmac_key", "service_catalog", "psk", "trust_id", "keyring",
    "encryption_key", "auth_key", "temp_url_key", "temp_url_sig",
    "passwd", "passcode", "pswd", "pwd", "access_key", "api_key", "ssl_key", "credential", "creds", "authorization",
    "cookie",
)  # fmt: skip
"""What that list misses. The first rows travel in OpenStack's contexts and arguments (nova's personality files and
cloud-init data, osprofiler's key, keystone's catalogue and trusts, VPN keys, what cinder hands out for Ceph, swift's
signed URLs); the last are the common names of the same things."""

_BETWEEN_WORDS: Final = r"[_\-. ]?"
_PASS: Final = r"(?<!by)(?<!com)(?<!sur)(?<!tres)pass(?![a-z])"
"""``pass`` as the last word of a name: ``db_pass``, but not ``bypass`` and ``passive``."""


def _pattern(key: str) -> str:
    return _BETWEEN_WORDS.join(map(re.escape, key.split("_")))


def _needed(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out keys that hold another one: what matches them matches it."""
    # Those with more words match more: ``admin_pass`` also what ``adminpass`` does.
    kept: list[str] = []
    for key in sorted(keys, key=lambda key: (len(key.replace("_", "")), -key.count("_"))):
        if not any(form in key for other in kept for form in _forms(other)):
            kept.append(key)
    return tuple(key for key in keys if key in kept)


def _forms(key: str) -> Iterator[str]:
    """Give what matches `_pattern` and has no other sign than ``_`` between words, as keys have."""
    first, *words = key.split("_")
    for signs in product(("", "_"), repeat=len(words)):
        yield first + "".join(sign + word for sign, word in zip(signs, words, strict=True))


STEMS: Final = _needed(STRUTILS_KEYS + FURTHER_KEYS)
"""All of them, in lower case, without those that hold another one."""

STEM: Final = "(?:" + "|".join([*map(_pattern, STEMS), _PASS]) + ")"
"""Pattern of any of them, for text in lower case: to search that takes half the time of ignoring case."""

_NAMES: Final = re.compile(STEM)


def names_secret(key: str) -> bool:
    """Tell whether a key names a secret.

    It does if any of `STEMS` is a part of it: so ``X-Auth-Token`` and ``original_password`` do, and so does
    ``token_count``: that is the rule of ``strutils.mask_dict_password``. So does one that ends with ``pass``.
    """
    if not key.isascii():
        key = unicodedata.normalize("NFKC", key)
    lower = key.lower()
    return mentions_secret(lower) and _NAMES.search(lower) is not None


def mentions_secret(lower: str) -> bool:
    """Tell whether a text in lower case may hold a name of a secret: never False where it does; quick.

    Nearly every text holds none of these few parts, of which every stem holds one.
    """
    return (
        "pass" in lower
        or "key" in lower
        or "secret" in lower
        or "token" in lower
        or "cred" in lower
        or "psk" in lower
        or "pswd" in lower
        or "pwd" in lower
        or "kek" in lower
        or "trust" in lower
        or "cookie" in lower
        or "configdrive" in lower
        or "inject" in lower
        or "catalog" in lower
        or "author" in lower
        or "cephclu" in lower
        or "hashsuf" in lower
        or "personality" in lower
        or ("user" in lower and "data" in lower)
        or ("temp" in lower and "url" in lower)
    )
