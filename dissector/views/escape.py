"""Text from the wire made safe to write: it may neither command a terminal nor break a line."""


def escape(text: str) -> str:
    r"""Write out what is not printable: controls, line breaks, bidirectional overrides, unassigned characters.

    They become Python's escapes (``\n``, ``\x1b``, ``\u202e``); a text without any is given back as it is.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
