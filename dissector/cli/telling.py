"""What is said to the user beside the output: on standard error, each line with the program's name."""

import click

from dissector.views.escape import escape


def tell(text: str, *more: str) -> None:
    """Say something on a line, and more on further ones.

    What names of files or the wire put into it can neither command a terminal nor forge a line.
    """
    click.echo("\n".join([f"osloshark: {escape(text)}", *map(escape, more)]), err=True)
