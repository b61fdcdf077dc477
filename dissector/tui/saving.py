"""Writes the packets of messages that were chosen on screen."""

import os
from collections.abc import Iterable
from pathlib import Path

from dissector.errors import UsageError
from dissector.saving import Selection
from dissector.tui.session import Session


def save_rows(session: Session, rows: Iterable[int], path: str) -> str:
    """Write the packets of some messages to a new file, for its owner alone, as pcapng; say in a line what was done.

    Raises `UsageError` where that cannot be.
    """
    if session.is_live or "-" in session.files:
        raise UsageError("packets that came live are not kept whole; use 'osloshark live -w FILE'")
    selection = Selection()
    missing = 0
    for row in rows:
        message = session.index.message(row)
        if message is None:
            missing += 1
        else:
            selection.choose(message)
    if not selection.messages:
        raise UsageError("no message to save")
    try:
        descriptor = os.open(Path(path).expanduser(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            packets = selection.save(session.files, file)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already; give another name") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    left_out = f"; {missing:,} messages are no longer there" if missing else ""
    return f"{packets:,} packets of {selection.messages:,} messages are in {path}{left_out}"
