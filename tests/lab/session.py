"""A laboratory that is up: record any scenarios, get the capture and the truth."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import truth
from .broker import Control, broker, truth_urls
from .firehose import firehose
from .network import BROKER, Host, network
from .recorder import Tap, recording
from .releases import MOUNTED, fetch
from .scenarios import SCENARIOS
from .stage import Stage


@dataclass(frozen=True)
class Recording:
    """What a run of scenarios left: the capture, the firehose's file and the clients' clocks."""

    pcap: Path
    firehose: Path
    clocks: Path
    """What the clients measured, see `Stage.clocks`: a JSON array."""

    @property
    def truth(self) -> list[truth.Record]:
        """The firehose's records, in its order."""
        return truth.read(self.firehose)


class Lab:
    """Hosts, network and broker that are up."""

    def __init__(self, hosts: dict[str, Host], control: Control, folder: Path) -> None:
        self._hosts = hosts
        self._control = control
        self._folder = folder
        self._count = 0

    def add_releases(self) -> None:
        """Let services run on older releases of oslo.messaging, fetched from the package index."""
        releases = self._folder / "releases"
        fetch(releases)
        for host in self._hosts.values():
            host.run("mkdir", MOUNTED)
            host.run("mount", "--bind", str(releases), MOUNTED)

    def record(
        self,
        *names: str,
        tap: Tap | None = None,
        everyone: str | None = None,
        address: str = BROKER.ipv4,
    ) -> Recording:
        """Play the scenarios *names* one after the other and record them.

        The services reach the broker at *address*. With *everyone* they all run on
        that host, and the capture is made there; else they run on their own and the capture is made on the broker's.
        RuntimeError when a scenario does not go as it should, or a packet is lost.
        """
        self._count += 1
        tap = tap or Tap()
        suffix = ".pcapng" if tap.program == "dumpcap" else ".pcap"
        stem = f"{self._count:02d}-{names[0]}"
        made = Recording(
            *(self._folder / f"{stem}{ending}" for ending in (suffix, truth.SUFFIX, truth.CLOCKS_SUFFIX)),
        )
        stage = Stage(self._hosts, self._control, address, everyone)
        interpreter = self._hosts[BROKER.name].command(sys.executable)
        with (
            firehose(interpreter, made.firehose, truth_urls()),
            recording(self._hosts[everyone or BROKER.name], tap, made.pcap),
        ):
            for name in names:
                SCENARIOS[name](stage)
        made.clocks.write_text(json.dumps(stage.clocks, indent=1) + "\n")
        return made


@contextlib.contextmanager
def laboratory(folder: Path) -> Iterator[Lab]:
    """A laboratory that leaves its recordings in *folder*, until the end of the block."""
    with network() as hosts, broker(hosts[BROKER.name]) as control:
        yield Lab(hosts, control, folder)
