"""Hosts of the laboratory: one network, UTS and mount namespace each, joined by a bridge at the broker.

The broker's host holds the bridge ``lan0`` that carries the broker's addresses; every other host has a
veth pair into it, ``eth0`` on its own side. MTU is 1500 and TSO, GSO and GRO are off everywhere, so that a
packet captured is a segment as it is on a wire. The namespaces have no name: they live as long as the
process that holds them, which ends when its standard input closes, so they vanish also when the
laboratory itself is killed.
"""

import contextlib
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MTU: Final = 1500
BRIDGE: Final = "lan0"
NEUTRAL_SITE: Final = "/usr/lib/python3/dist-packages"
NEUTRAL_LAB: Final = "/srv/lab"
"""Where services find the installed packages and this directory: tracebacks travel over the wire, and a
shipped capture must not tell where it was built."""

OFFLOADS: Final = ("tso", "off", "gso", "off", "gro", "off")


@dataclass(frozen=True)
class Address:
    """A host's name, the last part of its two addresses, and its MAC address."""

    name: str
    number: int

    @property
    def ipv4(self) -> str:
        return f"10.99.0.{self.number}"

    @property
    def ipv6(self) -> str:
        return f"fd00:99::{self.number}"

    @property
    def mac(self) -> str:
        return f"02:00:5e:63:00:{self.number:02x}"


BROKER: Final = Address("dev20", 1)
CONTROLLER: Final = Address("controller", 11)
NETWORK1: Final = Address("network1", 21)
COMPUTE1: Final = Address("compute1", 31)
HOSTS: Final = (BROKER, CONTROLLER, NETWORK1, COMPUTE1)


class Host:
    """One host: the process that holds its namespaces, and how to run things in them."""

    def __init__(self, address: Address, hosts_file: Path) -> None:
        self.address = address
        setup = "\n".join(
            (
                "set -e",
                f"hostname {address.name}",
                f"mount --bind {hosts_file} /etc/hosts",
                "mount -t tmpfs shm /dev/shm",
                "mount -t tmpfs srv /srv",
                f"mkdir {NEUTRAL_LAB}",
                f"mount --bind {Path(__file__).resolve().parent} {NEUTRAL_LAB}",
                f"mount --bind {sysconfig.get_path('purelib')} {NEUTRAL_SITE}",
                "ip link set lo up",
                "echo ready",
                "exec cat",
            )
        )
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--uts", "--mount", "sh", "-c", setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            _, errors = self._holder.communicate()
            raise RuntimeError(f"no namespaces for {address.name}: {errors.decode().strip()}")

    @property
    def pid(self) -> int:
        """The process that holds the namespaces."""
        return self._holder.pid

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs *arguments* on this host, and kills them when this process ends.

        Nothing in it forks: the process started is the command's own.
        """
        inside = ["nsenter", "--target", str(self.pid), "--net", "--uts", "--mount", "--"]
        return [*inside, "setpriv", "--pdeathsig", "KILL", *arguments]

    def run(self, *arguments: str) -> None:
        """Run a command on this host to its end; CalledProcessError when it fails."""
        subprocess.run(self.command(*arguments), check=True, capture_output=True)

    def close(self) -> None:
        """Let the namespaces go."""
        self._holder.kill()
        self._holder.wait()
        for pipe in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            assert pipe is not None
            pipe.close()


def _plug(host: Host, broker: Host) -> None:
    """A veth pair: ``eth0`` on *host*, a port of the bridge on *broker*."""
    port = f"port{host.address.number}"
    broker.run(
        *("ip", "link", "add", "name", port, "mtu", str(MTU), "type", "veth"),
        *("peer", "name", "eth0", "mtu", str(MTU), "netns", str(host.pid)),
    )
    broker.run("ethtool", "-K", port, *OFFLOADS)
    broker.run("ip", "link", "set", port, "master", BRIDGE, "up")


def _address(host: Host, interface: str) -> None:
    address = host.address
    host.run("ip", "link", "set", interface, "address", address.mac, "mtu", str(MTU))
    host.run("ethtool", "-K", interface, *OFFLOADS)
    host.run("ip", "link", "set", interface, "up")
    host.run("ip", "address", "add", f"{address.ipv4}/24", "dev", interface)
    host.run("ip", "-6", "address", "add", f"{address.ipv6}/64", "dev", interface, "nodad")


@contextlib.contextmanager
def network(addresses: Sequence[Address] = HOSTS) -> Iterator[dict[str, Host]]:
    """Hosts by their names, wired together; the first of *addresses* is the broker's."""
    folder = Path(tempfile.mkdtemp(prefix="osloshark-lab-"))
    hosts: dict[str, Host] = {}
    try:
        hosts_file = folder / "hosts"
        lines = ["127.0.0.1 localhost", *(f"{a.ipv4} {a.name}" for a in addresses)]
        hosts_file.write_text("\n".join(lines) + "\n")
        for address in addresses:
            hosts[address.name] = Host(address, hosts_file)
        broker = hosts[addresses[0].name]
        broker.run("ip", "link", "add", "name", BRIDGE, "type", "bridge")
        for address in addresses[1:]:
            _plug(hosts[address.name], broker)
            _address(hosts[address.name], "eth0")
        _address(broker, BRIDGE)
        yield hosts
    finally:
        for host in hosts.values():
            host.close()
        shutil.rmtree(folder)
