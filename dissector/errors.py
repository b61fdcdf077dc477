"""The one exception that users of the library meet."""


class UsageError(Exception):
    """The user asked for what cannot be done: a file that is no capture, a missing package, a wrong option.

    The message is one line that names the thing and, where there is one, the remedy. The command line
    prints it and exits with status 2. Bytes of a capture never raise: they become ``Malformed`` events.
    """
