"""Lets a Python service log the keys of its TLS connections to the file that SSLKEYLOGFILE names.

Python imports a module of this name when it starts, from where PYTHONPATH says. oslo.messaging's driver (py-amqp) makes
its TLS contexts without looking at SSLKEYLOGFILE, so it is told here. Who has the keys reads the traffic.
"""

import os
import ssl

_PATH = os.environ.get("SSLKEYLOGFILE")
_wrap_socket = ssl.SSLContext.wrap_socket


def _logging(self: ssl.SSLContext, *arguments: object, **options: object) -> ssl.SSLSocket:
    self.keylog_filename = _PATH
    return _wrap_socket(self, *arguments, **options)


if _PATH:
    ssl.SSLContext.wrap_socket = _logging
