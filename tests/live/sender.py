"""``python -m tests.live.sender INTERFACE CAPTURE PACKETS_PER_S``: puts the packets of a capture on a wire."""

import socket
import sys
import time

from dissector.capture import open_capture


def main(interface: str, path: str, packets_per_s: str) -> None:
    """Send them, at that rate or slower."""
    rate = int(packets_per_s)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire, open_capture([path]) as capture:
        wire.bind((interface, 0))
        begin, sent = time.monotonic(), 0
        for batch in capture:
            for index in range(len(batch)):
                ahead = sent / rate - (time.monotonic() - begin)
                if ahead > 0.002:
                    time.sleep(ahead)
                wire.send(batch.packet(index))
                sent += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
