"""The command line."""

from dissector.cli.main import main

__all__ = ["main"]
