"""Where a scenario plays: the hosts with the services on them, each a process of its own."""

import contextlib
import copy
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any, Final

from .broker import PASSWORD, PORT, TLS_PORT, Control
from .network import NEUTRAL_LAB, NEUTRAL_SITE, Host
from .releases import MOUNTED
from .tls import Tls

STOP_S: Final = 20

FAKE_TOKEN: Final = "gAAAAABosloshark-lab-is-no-real-token"


def context(user: str = "admin") -> dict[str, Any]:
    """A request context as nova and neutron send it, with a token that opens nothing."""
    return {
        "user": user,
        "user_id": "0b1c2d3e4f5061728394a5b6c7d8e9f0",
        "project_id": "f0e9d8c7b6a5948372615040302010ff",
        "is_admin": True,
        "roles": ["admin", "member"],
        "request_id": f"req-{uuid.uuid4()}",
        "auth_token": FAKE_TOKEN,
        "service_catalog": [{"type": "image", "endpoints": [{"publicURL": "http://10.99.0.11:9292"}]}],
    }


class Service:
    """A running service process and how to tell it what to do."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._crashed = False

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a service ended with status {self._process.wait()}")
        return json.loads(line)

    def wait_ready(self) -> None:
        """Until it listens."""
        self._answer()

    def tell(self, operation: str, **arguments: Any) -> None:
        """Start one operation, without waiting for its end."""
        assert self._process.stdin is not None
        order = {"do": operation, "context": context(), **arguments}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def do(self, operation: str, *, error: str | None = None, **arguments: Any) -> Any:
        """One operation to its end; its result. RuntimeError unless it fails just as *error* says."""
        self.tell(operation, **arguments)
        answer = self._answer()
        if answer.get("error") != error:
            raise RuntimeError(f"{operation} {arguments.get('method')}: {answer}, expected {error}")
        return answer.get("result")

    def crash(self) -> None:
        """End it at once; the kernel closes its connections."""
        self._crashed = True
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Tell it to close its connections in order and to end."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait for the end that ``stop`` asked for; RuntimeError unless it is a good one."""
        assert self._process.stdout is not None
        try:
            status = self._process.wait(STOP_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
        if status != 0 and not self._crashed:
            raise RuntimeError(f"a service ended with status {status}")


class Stage:
    """Where a scenario plays: the hosts, and the address at which the broker is reached."""

    def __init__(
        self,
        hosts: dict[str, Host],
        control: Control,
        broker: str,
        everyone: str | None = None,
    ) -> None:
        """*broker* is an address (IPv6 in brackets); *everyone* a host on which all services run."""
        self.control = control
        self._hosts = hosts
        self._everyone = everyone
        self._tls: Tls | None = None
        self.broker = broker
        self.clocks: list[dict[str, Any]] = []
        """What the clients measured with their own clocks: ``request_id``, ``latency_s``, ``error`` of each call."""

    def start(self, where: str, *command: str, release: str | None = None) -> subprocess.Popen[str]:
        """A program on the host *where*, unless everyone is on another; with an older oslo.messaging."""
        host = self._hosts[self._everyone or where]
        path = [NEUTRAL_SITE, NEUTRAL_LAB]
        if release:
            path.insert(0, f"{MOUNTED}/{release}")
        arguments = ["env", f"PYTHONPATH={':'.join(path)}", "PYTHONDONTWRITEBYTECODE=1"]
        return subprocess.Popen(
            host.command(*arguments, sys.executable, "-S", *command),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def over(self, tls: Tls) -> "Stage":
        """The same stage, whose services speak TLS to the broker's other port."""
        other = copy.copy(self)
        other._tls = tls
        return other

    def host(self, name: str) -> Host:
        """The host of that name."""
        return self._hosts[name]

    def url(self, user: str = "openstack", vhost: str = "") -> str:
        """oslo.messaging's transport URL."""
        return f"rabbit://{user}:{PASSWORD}@{self.broker}:{TLS_PORT if self._tls else PORT}/{vhost}"

    @contextlib.contextmanager
    def services(self, *descriptions: dict[str, Any]) -> Iterator[list[Service]]:
        """Services that all listen, until the end of the block; then stopped in order, last first."""
        running: list[Service] = []
        try:
            for description in descriptions:
                everything = {"url": self.url(), **description}
                if self._tls is not None:
                    everything |= self._tls.described(self.control.ca_file, everything.get("conf", {}))
                process = self.start(
                    description["host"],
                    f"{NEUTRAL_LAB}/services.py",
                    json.dumps(everything),
                    release=description.get("release"),
                )
                running.append(Service(process))
            for service in running:
                service.wait_ready()
            yield running
        finally:
            for service in reversed(running):
                service.stop()
            for service in running:
                service.wait()
