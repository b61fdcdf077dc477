"""What is said to the user beside the output: on standard error, each line with the program's name."""

import traceback

import click

from dissector.views.escape import escape


def tell(text: str, *more: str) -> None:
    """Say something on a line, and more on further ones.

    What names of files or the wire put into it can neither command a terminal nor forge a line.
    """
    click.echo("\n".join([f"osloshark: {escape(text)}", *map(escape, more)]), err=True)


def trace_of(error: BaseException) -> list[str]:
    """Give the lines of an error's trace, and of those that led to it: places and kinds, no values.

    What an error itself says may hold what was on the wire, secrets too.
    """
    lines: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        lines += [type(cause).__name__]
        for place in traceback.extract_tb(cause.__traceback__):
            lines.append(f"  {place.filename}:{place.lineno} in {place.name}: {place.line or ''}")
        cause = cause.__cause__ or cause.__context__
        if cause is not None:
            lines.append("which came of:")
    return lines
