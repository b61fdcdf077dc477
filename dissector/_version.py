"""The version, in one place: the package metadata and ``osloshark --version`` read it here."""

__version__ = "0.1.0"
