"""Puts the packets of a capture on a wire."""

import socket
import time
from pathlib import Path

from dissector.capture import open_capture


def send(interface: str, path: Path, packets_per_s: int, times: int) -> None:
    """Send them so often, at that rate or slower."""
    with open_capture([path]) as capture:
        packets = [batch.packet(index) for batch in capture for index in range(len(batch))]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        begin = time.monotonic()
        for sent, packet in enumerate(packets * times):
            ahead = sent / packets_per_s - (time.monotonic() - begin)
            if ahead > 0.002:
                time.sleep(ahead)
            wire.send(packet)
