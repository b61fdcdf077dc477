"""The exceptions that users of the library meet."""


class UsageError(Exception):
    """The user asked for what cannot be done: a file that is no capture, a missing package, a wrong option.

    ``reason`` is one line that names the thing and, where there is one, the remedy; ``shown`` are lines that show
    where, such as an expression and a caret under it. The command line prints them and exits with status 2. Bytes of
    a capture never raise: they become ``Malformed`` events.

    >>> import dissector
    >>> try:
    ...     dissector.read("README.md")
    ... except dissector.UsageError as error:
    ...     print(error.reason)
    README.md: not a pcap or pcapng capture (starts with 23 20 6f 73)
    """

    def __init__(self, reason: str, *shown: str) -> None:
        super().__init__("\n".join([reason, *shown]))
        self.reason = reason
        self.shown = shown


class MissingExtraError(UsageError, ImportError):
    """A package is missing that is not installed with the core; ``what`` needs it, and ``extra`` brings it.

    >>> import dissector
    >>> print(dissector.MissingExtraError("an Arrow table", "arrow").reason)
    an Arrow table needs the "arrow" extra: pip install 'osloshark[arrow]'
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the \"{extra}\" extra: pip install 'osloshark[{extra}]'")
        self.extra = extra


class WorkerError(Exception):
    """A worker process is gone, or has met an error in osloshark itself: there is no more output.

    ``reason`` is one line; ``trace`` are lines that show where such an error is, without any values. ``is_ours`` says
    that it is an error in osloshark.

    >>> import dissector
    >>> try:
    ...     methods = {message.oslo.method for message in dissector.read("pcaps/demo.pcap", jobs=2) if message.oslo}
    ... except dissector.WorkerError as error:
    ...     print(error.reason)
    """

    def __init__(self, reason: str, *trace: str, is_ours: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.trace = trace
        self.is_ours = is_ours
