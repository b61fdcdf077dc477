"""Secrets in free text: exception messages, tracebacks, bodies that are no JSON.

The shapes are those of ``oslo_utils.strutils.mask_password`` (``key=value``, ``'key': 'value'``,
``--key value``, ``<key>value</key>``, ``key "value"``) for the keys of `dissector.oslo.secretkeys`, and what it
does not know: values that are objects or lists, quotes behind backslashes, texts cut off within a value,
``key: value``, passwords in URLs, Fernet tokens, bearer tokens, private keys in PEM.
"""

import re
from typing import Final

from dissector.oslo.secretkeys import STEMS, names_secret

MASK: Final = "***"
"""What stands in a secret's place."""

_STEM: Final = "(?:" + "|".join(map(re.escape, STEMS)) + ")"

# Quantifiers are bounded and possessive (`++`): a hostile text must not make the search quadratic.
_NAMED: Final = re.compile(
    rf"""{_STEM}[\w\-]{{0,64}}+
    (?: \\*+["']?+\]?+[ \t]{{0,8}}+(?:=>|:=|==?|:)[ \t]{{0,8}}+    # password=   'password': "   ['password'] =
      | \\*+["'][ \t]{{0,8}}+,[ \t]{{0,8}}+(?=[bBuU]?\\*+["'])     # ('password', '
      | [ \t]{{1,8}}+(?=\\*+["'])                                  # password "
      | >                                                          # <password>
    )
    | (?:(?<![\w\-])|(?<=\\n))--[\w\-]{{0,64}}?{_STEM}[\w\-]{{0,64}}+(?:\\*+["'],)?+[ \t]{{1,8}}+(?!-)    # --password
    """,
    re.IGNORECASE | re.VERBOSE,
)
_QUOTE: Final = re.compile(r"""[bBrRuUfF]{0,2}(\\*+(?:\"\"\"|'''|["']))""")
_BARE: Final = re.compile(r"""(?:(?:Basic|Bearer|Digest|Token)[ \t]+)?[^\s'"<]++""", re.IGNORECASE)
_NO_SECRET: Final = re.compile(r"(?:none|null|true|false|\*\*\*)(?![^\s,;)\]}&])", re.IGNORECASE)
_BRACKET_OR_QUOTE: Final = re.compile(r"""[\[\](){}]|\\*+["']""")
_TRAILING: Final = ",;)]}>"

_PEM: Final = re.compile(r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,32}-----|\Z)", re.DOTALL)
_FERNET: Final = re.compile(r"gAAAAA[\w=-]*+")  # no boundary before it: it may follow the n of an escaped newline
_URL_PASSWORD: Final = re.compile(r"""(://[^\s/:@'"]{0,256}+:)[^\s/'"]*@""")
_BEARER: Final = re.compile(r"(bearer[ \t]{1,8})[\w.~+/=-]{8,}+", re.IGNORECASE)


def mask_text(text: str) -> str:
    """Put `MASK` in the place of every secret in a free text; text that holds none is returned as it is.

    ``None``, ``null``, ``true``, ``false`` and empty strings stay: they tell that there was no secret.
    """
    if "gAAAAA" in text:
        text = _FERNET.sub(MASK, text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    if " " in text:
        if "PRIVATE KEY-----" in text:
            text = _PEM.sub(MASK, text)
        if "earer" in text.casefold():
            text = _BEARER.sub(rf"\1{MASK}", text)
    if not (":" in text or "=" in text or "'" in text or '"' in text or ">" in text or "--" in text):
        return text
    return _mask_named(text) if names_secret(text) else text


def _mask_named(text: str) -> str:
    parts: list[str] = []
    done = 0
    while found := _NAMED.search(text, done):
        start, end = _value(text, found.end())
        parts += (text[done:start], MASK if end > start else "")
        done = end
    parts.append(text[done:])
    return "".join(parts)


def _value(text: str, position: int) -> tuple[int, int]:
    """Find the value that begins here: where it starts and ends; an empty range where there is no secret."""
    if quote := _QUOTE.match(text, position):
        start = quote.end()
        end = _closing_quote(text, start, quote.group(1))
        if _NO_SECRET.fullmatch(text, start, end):
            return end, end
        return start, end
    if text[position : position + 1] in ("{", "[", "("):
        end = _closing_bracket(text, position)
        return (position, end) if end - position > len("[]") else (end, end)
    if _NO_SECRET.match(text, position):
        return position, position
    bare = _BARE.match(text, position)
    if bare is None:
        return position, position
    end = bare.end()
    while end > position + 1 and text[end - 1] in _TRAILING:
        end -= 1
    return position, end


def _closing_quote(text: str, start: int, quote: str) -> int:
    """Find the quote that closes a string, or the end of a text that was cut off."""
    end = text.find(quote, start)
    while end > start and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    return len(text) if end < 0 else end


def _closing_bracket(text: str, start: int) -> int:
    """Find the end of an object or a list in JSON's or Python's notation, or of a text that was cut off."""
    level, position = 0, start
    while found := _BRACKET_OR_QUOTE.search(text, position):
        position = found.end()
        mark = found.group()
        if mark in "[({":
            level += 1
        elif mark in "])}":
            level -= 1
            if level == 0:
                return position
        else:
            position = _closing_quote(text, position, mark) + len(mark)
    return len(text)
