"""Secrets in free text: exception messages, tracebacks, command lines, bodies that are no JSON.

The shapes are those of ``oslo_utils.strutils.mask_password`` (``key=value``, ``'key': 'value'``,
``--key value``, ``<key>value</key>``, ``key "value"``, ``key --value x``) for the keys of
`dissector.oslo.secretkeys`, and what it does not know: values that are objects or lists, quotes behind backslashes,
texts cut off within a value, ``key: value``, names and values as pairs, HTTP headers, passwords in URLs, and what
tells itself that it is one: Fernet and JSON Web Tokens, bearer tokens, private keys in PEM, Ceph's keys.
"""

import re
import unicodedata
from typing import Final

from dissector.oslo.secretkeys import STEM, mentions_secret

MASK: Final = "***"
"""What stands in a secret's place."""

_NAME: Final = rf"{STEM}(?:[\w\-.]|\[\w{{0,16}}\]){{0,64}}+"
_QUOTED: Final = r"""\\*+["']"""

_TO: Final = rf"""(?:
    \\*+["']?+\]?+(?:\s{{0,32}}+(?:=>|:=|==?)\s{{0,32}}+    # password=   ['password'] =
        |[ \t]{{0,32}}+:[ \t]{{0,32}}+|%3[AaDd](?:%2[27])?)  # password:   password%3D
  | {_QUOTED}\s{{0,32}}+:\s{{0,32}}+                        # 'password': "
)"""

# Quantifiers are bounded and possessive (`++`): a hostile text must not make the search quadratic.
_NAMED: Final = re.compile(
    rf"""(?P<name>{_NAME})
    (?: (?P<pair>\\*+["']?+\s{{0,8}}+(?:[,;]|</\w{{1,32}}+>)?+\s{{0,8}}+<?+(?:[uU]?{_QUOTED})?+
            (?:new_?|old_?)?val(?:ue)?s?\\*+["']?+\s{{0,8}}+(?:=>|[:=>])\s{{0,8}}+)  # 'password', 'value': '
      | (?P<list>{_QUOTED}\s{{0,32}}+,\s{{0,32}}+{_QUOTED}--?\w{{1,32}}+{_QUOTED}
            \s{{0,32}}+,\s{{0,32}}+(?=[bBuU]?{_QUOTED}))                             # 'password', '-v', '
      | (?P<to>{_TO})
      | (?P<next>{_QUOTED}\s{{0,32}}+,\s{{0,32}}+(?=[bBuU]?{_QUOTED}))               # ('password', '
      | (?P<quoted>\s{{1,32}}+(?={_QUOTED}))                                         # password "
      | (?P<tag>>)                                                                   # <password>
      | (?P<words>(?:{_QUOTED},)?+\s{{1,32}}+(?=\S))                   # --password    password -v
    )
    """,
    re.VERBOSE,
)
"""A name and what leads to its value, in text in lower case."""
_NAME_FOR_VALUE: Final = re.compile(rf"""(?:[bBrRuUfF]{{0,2}}{_QUOTED})?+[\w\-.]{{0,64}}?{_NAME}{_TO}""", re.VERBOSE)
"""What stands where a value is expected and is the name of another: ``--password token: secret``; in lower case."""
_IS_OPTION: Final = re.compile(r"--[\w\-]*+\Z")
_OPTION_LOOKBACK: Final = 68
"""Characters before a name in which it may begin as an option: ``--`` and other words of it."""
_WITH_OPTION: Final = re.compile(r"--?[A-Za-z][A-Za-z_\-]{0,64}+(?:=|\s{1,32}+)")
"""Between a name and its value: ``node.session.auth.password -v secret``."""
_GLUED: Final = re.compile(r"--?[A-Za-z](?=\w)")
_QUOTE: Final = re.compile(r"""[bBrRuUfF]{0,2}(\\*+(?:\"\"\"|'''|["']))""")
_BARE: Final = re.compile(r"""(?:(?:Basic|Bearer|Digest|Token)[ \t]+)?(?:[^\s'"]|["'](?=\w))++""", re.IGNORECASE)
_HEADER: Final = re.compile(r"(?<![^\W_])(?:authorization|cookie)[ \t]*+:", re.IGNORECASE)
_HEADER_BEGIN: Final = re.compile(r"""["'](?=[\w\-]*+\Z)""")
_LINE_END: Final = re.compile(r"[\r\n]|\\[rn]|\Z")
_NO_SECRET: Final = re.compile(r"(?:none|null|true|false|\*\*\*)(?![^\s,;)\]}&<])", re.IGNORECASE)
_NO_SECRET_BEGIN: Final = frozenset("nNtTfF*")
_BRACKET_OR_QUOTE: Final = re.compile(r"""[\[\](){}]|\\*+["']""")
_LINE: Final = r"(?:[^\n\\]|\\(?!n))*+"
_BLOCK: Final = re.compile(
    rf"[|>][+\-\d]{{0,2}}[ \t]*+(?:\n|\\n)(?:(?P<indent>[ \t]++){_LINE}(?:(?:\n|\\n)(?:(?P=indent){_LINE})?+)*+)?+"
)
"""A YAML block scalar; line breaks may be written ``\\n``."""
_TRAILING: Final = ",;)]}>"
_AFTER_QUOTE: Final = re.compile(r"[\w!@#$%^*+~`(\[{]")
"""What does not follow a quote that closes a string: a password with a quote in it goes on."""
_TAG_LOOKBACK: Final = 64
_ATTRIBUTES: Final = re.compile(r"\s[^<>]{0,256}+>")
"""Between the name of an XML element and its content."""

_PEM: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,40}-----|\Z)", re.DOTALL
)
_FERNET: Final = re.compile(r"gAAAAA[\w=-]*+")  # no boundary before it: it may follow the n of an escaped newline
_WEB_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}+(\.[\w-]++(?:\.[\w-]*+){0,3}+)?")
_CEPH_KEY: Final = re.compile(r"AQ[\w+/]{36}==")
_URL_USER: Final = re.compile(r"""://[^\s/:@'"]{0,256}+:(?!\d{1,5}+/)""")
_WORD: Final = re.compile(r"""(?:[^\s'"]|["'](?=\w))*+""")
_BEARER: Final = re.compile(r"(bearer\s{1,8})[\w.~+/=-]{8,}+", re.IGNORECASE)

_LETTER: Final = re.compile(r"\\++u([0-9A-Fa-f]{4})")
_COLOR: Final = re.compile(r"\x1b\[[0-9;]*+m")
_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Controls that no text holds; escape is one that does: it is for colours."""


def mask_text(text: str) -> str:
    """Put `MASK` in the place of every secret in a free text; text that holds none is returned as it is.

    ``None``, ``null``, ``true``, ``false`` and empty strings stay: they tell that there was no secret. Where a secret
    is only found when escaped letters, full-width letters or colours are undone, they are undone in what is returned.
    Of binary data that mentions a secret (its shape is not known) nothing is left but `MASK`.
    """
    if text.replace("-", "").replace("_", "").replace(".", "").isalnum():  # ids, names, hosts, versions: nearly all
        return text if "gAAAAA" not in text and "eyJ" not in text else _masked(text)
    if "\\u" in text or not (text.isascii() and text.isprintable()):
        plain = _plain(text)
        if plain != text:
            if _BINARY.search(text) and mentions_secret(plain.lower()):
                return MASK
            masked = _masked(plain)
            if masked != plain:
                return masked
    return _masked(text)


def _plain(text: str) -> str:
    """Undo what hides a name: Unicode's compatibility forms, JSON's escapes of letters, colours, NULs of UTF-16."""
    if "\\u" in text:
        text = _LETTER.sub(_letter, text)
    if not text.isprintable():
        if "\x1b" in text:
            text = _COLOR.sub("", text)
        text = _BINARY.sub("", text)
    if not text.isascii() and not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return text


def _letter(escaped: re.Match[str]) -> str:
    char = unicodedata.normalize("NFKC", chr(int(escaped[1], 16)))
    return char if char.isascii() and (char.isalnum() or char in "_-") else escaped[0]


def _masked(text: str) -> str:
    if "gAAAAA" in text:
        text = _FERNET.sub(MASK, text)
    if "eyJ" in text:
        text = _WEB_TOKEN.sub(lambda found: found[0] if found[1] is None else MASK, text)
    if "://" in text:
        text = _mask_urls(text)
    if "AQ" in text and "==" in text:
        text = _CEPH_KEY.sub(MASK, text)
    has_words = " " in text or "\t" in text or "\n" in text
    if has_words and "PRIVATE KEY" in text:
        text = _PEM.sub(MASK, text)
    if (
        ":" in text
        or "=" in text
        or "'" in text
        or '"' in text
        or ">" in text
        or (has_words and "-" in text)
        or "%3" in text
    ):
        lower = _lower(text)
        if mentions_secret(lower):
            text = _mask_named(text, lower)
    # Last, for what follows the word may be a name: ``bearer user_data: secret``.
    if has_words and ("earer" in text or "EARER" in text):
        text = _BEARER.sub(rf"\1{MASK}", text)
    return text


def _lower(text: str) -> str:
    """Put a text into lower case, every character in its place: only the Turkish İ would become two."""
    return text.lower() if text.isascii() else text.replace("İ", "I").lower()


def _mask_urls(text: str) -> str:
    """Mask what stands between a colon behind a URL's user and the last ``@`` of the word."""
    parts: list[str] = []
    done = position = 0
    while user := _URL_USER.search(text, position):
        start = user.end()
        word = _WORD.match(text, start)
        position = start if word is None else word.end()
        at = text.rfind("@", start, position)
        if at >= start:
            parts += (text[done:start], MASK)
            done = position = at
    return "".join([*parts, text[done:]]) if parts else text


def _mask_named(text: str, lower: str) -> str:
    parts: list[str] = []
    done = position = 0
    while found := _NAMED.search(lower, position):
        span = _value_of(text, lower, found)
        if span is None:
            position = found.end("name")
            continue
        start, end = span
        parts += (text[done:start], MASK if end > start else "")
        done = position = end
    parts.append(text[done:])
    return "".join(parts)


def _value_of(text: str, lower: str, found: re.Match[str]) -> tuple[int, int] | None:
    """Find the value that belongs to a name: where it starts and ends; an empty range where there is no secret.

    None where what follows the name is no value.
    """
    position = found.end()
    element = _element(text, found)
    if found["tag"] is not None:
        return _value(text, lower, position) if element is None else _content(text, element, position)
    if element is not None and (attributes := _ATTRIBUTES.match(text, found.end("name"))):
        start, end = _content(text, element, attributes.end())
        return (position, end) if mentions_secret(attributes.group().lower()) else (start, end)
    if found["words"] is not None:
        if _IS_OPTION.search(text, max(found.start() - _OPTION_LOOKBACK, 0), found.start()):
            if text.startswith("--", position):
                return None
        else:
            option = _WITH_OPTION.match(text, position) or _GLUED.match(text, position)
            if option is None:
                return None
            position = option.end()
        return _value(text, lower, position)
    if lower[found.start()] in "ac" and _HEADER.match(text, found.start()) and not _QUOTE.match(text, position):
        return _header(text, found.start(), position)
    return _value(text, lower, position)


def _header(text: str, start: int, position: int) -> tuple[int, int]:
    """Find the value of an HTTP header: up to the end of its line, or to the quote like the one before its name."""
    quote = _HEADER_BEGIN.search(text, max(start - _OPTION_LOOKBACK, 0), start)
    line = _LINE_END.search(text, position)
    stop = len(text) if line is None else line.start()
    if quote:
        stop = _closing_quote(text, position, quote.group(), stop)
    return (stop, stop) if _NO_SECRET.fullmatch(text, position, stop) else (position, stop)


def _value(text: str, lower: str, position: int) -> tuple[int, int]:
    """Find the value that begins here; where a name and its value stand in its place, both."""
    start, end = _one_value(text, position)
    if not mentions_secret(lower[position:end]):
        return start, end
    behind = position
    while name := _NAME_FOR_VALUE.match(lower, behind):
        behind = name.end()
    if behind > position:
        return position, max(behind, end, _one_value(text, behind)[1])
    return start, end


def _one_value(text: str, position: int) -> tuple[int, int]:
    """Find the value that begins here."""
    if quote := _QUOTE.match(text, position):
        start = quote.end()
        end = _closing_quote(text, start, quote.group(1))
        if _NO_SECRET.fullmatch(text, start, end):
            return end, end
        return start, end
    if text[position : position + 1] in ("{", "[", "("):
        end = _closing_bracket(text, position)
        if end - position <= len("[]"):
            return end, end
        more = _BARE.match(text, end) if text[end : end + 1] not in ("", *_TRAILING, "'", '"') else None
        return position, end if more is None else more.end()
    first = text[position : position + 1]
    if first in _NO_SECRET_BEGIN and _NO_SECRET.match(text, position):
        return position, position
    block = _BLOCK.match(text, position) if first in ("|", ">") else None
    if block is not None:
        return position, position + len(block.group().rstrip("\n"))
    bare = _BARE.match(text, position)
    if bare is None:
        return position, position
    end = bare.end()
    while end > position + 1 and text[end - 1] in _TRAILING:
        end -= 1
    return position, end


def _element(text: str, found: re.Match[str]) -> str | None:
    """Give the name of the XML element in whose tag a name stands, with a slash before it in a closing one."""
    begin = text.rfind("<", max(found.start() - _TAG_LOOKBACK, 0), found.start())
    if begin < 0:
        return None
    name = text[begin + 1 : found.end("name")]
    return None if any(char.isspace() or char in "<>" for char in name) else name


def _content(text: str, element: str, position: int) -> tuple[int, int]:
    """Find the content of an XML element, whose tag ends here."""
    if element[:1] == "/" or text[position - 2 : position - 1] == "/":  # <password/>
        return position, position
    end = text.find(f"</{element}", position)
    if end < 0:
        end = len(text)
    return (end, end) if _NO_SECRET.fullmatch(text, position, end) else (position, end)


def _closing_quote(text: str, start: int, quote: str, stop: int | None = None) -> int:
    """Find the quote that closes a string, or ``stop`` (by default the end) of a text that was cut off."""
    stop = len(text) if stop is None else stop
    end = text.find(quote, start, stop)
    while end >= 0 and (
        (end > start and text[end - 1] == "\\") or _AFTER_QUOTE.match(text, end + len(quote)) is not None
    ):
        end = text.find(quote, end + 1, stop)
    return stop if end < 0 else end


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
