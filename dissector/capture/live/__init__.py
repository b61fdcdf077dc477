"""Live interfaces: opened with privileges, read by a thread of their own without any."""

from dissector.capture.live.capture import LiveCapture
from dissector.capture.live.privileges import Account, account, can_create_in
from dissector.capture.live.reader import Captured

__all__ = ["Account", "Captured", "LiveCapture", "account", "can_create_in"]
