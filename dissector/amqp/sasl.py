"""Who logs in: the user in the response of connection.start-ok. The password is skipped and never kept."""

from dissector.amqp.fieldtable import decode_items
from dissector.amqp.malformed import MalformedPayload


def user_of(mechanism: str, response: bytes) -> str | None:
    """Give the user's name, or None where the mechanism does not tell it or the response is damaged.

    ``AMQPLAIN`` (RabbitMQ's ``rabbit_auth_mechanism_amqplain``): the fields of a table without its length, with
    ``LOGIN`` and ``PASSWORD`` in any order. ``PLAIN`` (RFC 4616): authorisation id, user and password with a
    zero octet between. ``EXTERNAL`` and others: None, the user is in the certificate or in later messages.
    """
    if mechanism == "AMQPLAIN":
        try:
            user = decode_items(response, 0, len(response)).get("LOGIN")
        except MalformedPayload:
            return None
    elif mechanism == "PLAIN":
        parts = response.split(b"\0", 2)
        user = parts[1] if len(parts) == 3 else None
    else:
        return None
    if isinstance(user, bytes):
        user = user.decode("utf-8", "backslashreplace")
    return user if isinstance(user, str) and user else None
