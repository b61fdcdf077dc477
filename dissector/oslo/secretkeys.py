"""The names of what must not be shown: one table, matched the way OpenStack's own log filter matches."""

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
    "injected_files", "user_data", "hmac_key", "service_catalog", "psk", "aws_creds", "trust_id",
    "passwd", "access_key", "api_key", "apikey", "ssl_key", "credential", "authorization",
)  # fmt: skip
"""What that list misses. The first row travels in OpenStack's contexts and arguments (nova's personality files
and cloud-init data, osprofiler's key, keystone's catalogue and trusts, VPN keys); the second are the common
names of the same things."""

STEMS: Final = tuple(
    key
    for key in dict.fromkeys(STRUTILS_KEYS + FURTHER_KEYS)
    if not any(other in key for other in STRUTILS_KEYS + FURTHER_KEYS if other != key)
)
"""All of them, in lower case, without those that hold another one."""


def names_secret(text: str) -> bool:
    """Tell whether a key names a secret, or a text mentions such a key.

    It does if any of `STEMS` is a part of it, in any case: so ``X-Auth-Token`` and ``original_password`` do,
    and so does ``token_count``: that is the rule of ``strutils.mask_dict_password``.
    """
    lower = text.lower()
    return any(stem in lower for stem in STEMS)
