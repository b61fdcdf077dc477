"""A private RabbitMQ on a host of the laboratory, traced from its first moment.

It is Debian's ``rabbitmq-server``, run as the user ``rabbitmq`` in a process namespace of its own: when its
``unshare`` ends, the kernel ends everything in it, epmd included. Users, virtual hosts and permissions come
from a definitions file and the firehose from ``trace_vhosts`` in its configuration (what ``rabbitmqctl
trace_on`` sets), so the start waits for no ``rabbitmqctl``.
"""

import base64
import contextlib
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from . import tls
from .network import Host

NODE: Final = "rabbit@dev20"
PORT: Final = 5672
"""The port of the services, on all of the broker's addresses: what is captured."""
TLS_PORT: Final = 5671
"""The same with TLS, on the same addresses but loopback; captured as well."""
TRUTH_PORT: Final = 5673
"""The port of the firehose's consumer, on loopback alone: never captured."""
PASSWORD: Final = "osloshark-lab"
USERS: Final = ("openstack", "nova-cell1", "tracer")
VHOSTS: Final = ("/", "nova_cell1")
START_S: Final = 60.0
"""Longest wait for the broker; it takes about 5 s on two cores."""


def _definitions() -> str:
    salt = b"lab!"
    digest = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return json.dumps(
        {
            "users": [
                {
                    "name": user,
                    "password_hash": digest,
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": "administrator",
                }
                for user in USERS
            ],
            "vhosts": [{"name": vhost} for vhost in VHOSTS],
            "permissions": [{"user": u, "vhost": v, **everything} for u in USERS for v in VHOSTS],
        }
    )


def _configure(folder: Path, host: Host) -> dict[str, str]:
    """Write the configuration into *folder*; the environment that makes the broker use it."""
    listeners = [
        f"{host.address.ipv4}:{PORT}",
        f"{host.address.ipv6}:{PORT}",
        f"127.0.0.1:{PORT}",
        f"127.0.0.1:{TRUTH_PORT}",
    ]
    tls_listeners = [f"{host.address.ipv4}:{TLS_PORT}", f"{host.address.ipv6}:{TLS_PORT}"]
    tls.make_certificates(folder, host.address)
    settings = [
        *(f"listeners.tcp.{number} = {listener}" for number, listener in enumerate(listeners, 1)),
        *(f"listeners.ssl.{number} = {listener}" for number, listener in enumerate(tls_listeners, 1)),
        *tls.broker_settings(folder),
        f"load_definitions = {folder / 'definitions.json'}",
        f"cluster_name = {NODE}",
        "loopback_users = none",
        "log.console.level = error",
        "disk_free_limit.absolute = 50MB",
    ]
    (folder / "rabbitmq.conf").write_text("\n".join(settings) + "\n")
    traced = ",".join(f'<<"{vhost}">>' for vhost in VHOSTS)
    (folder / "advanced.config").write_text(f"[{{rabbit,[{{trace_vhosts,[{traced}]}}]}}].\n")
    (folder / "definitions.json").write_text(_definitions())
    (folder / "enabled_plugins").write_text("[].\n")
    (folder / "rabbitmq-env.conf").write_text("")
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "ERL_CRASH_DUMP": "/dev/null",
    }


def truth_urls() -> list[str]:
    """AMQP URLs for the firehose's consumer, one for each virtual host."""
    return [f"amqp://tracer:{PASSWORD}@127.0.0.1:{TRUTH_PORT}/{quote(vhost, safe='')}" for vhost in VHOSTS]


_SERVE: Final = """
setpriv --reuid rabbitmq --regid rabbitmq --clear-groups /usr/lib/rabbitmq/bin/rabbitmq-server &
wait
"""
# The shell stays root and the first process of the namespace: a change of user clears the signal that
# --kill-child arranged, and the death of the first process is the death of all.
_PROBE: Final = f"import socket; socket.create_connection(('127.0.0.1', {TRUTH_PORT}), 1).close()"


def _wait(host: Host, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the last listener is open: RabbitMQ opens them after everything else is up."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        probe = subprocess.run(host.command(sys.executable, "-c", _PROBE), check=False, capture_output=True)
        if probe.returncode == 0:
            return
        time.sleep(0.2)
    raise RuntimeError(f"RabbitMQ did not start:\n{log.read_text(errors='replace')[-4000:]}")


class Control:
    """``rabbitmqctl`` of the broker: each command starts an Erlang of its own and takes two seconds."""

    def __init__(self, host: Host, environment: dict[str, str]) -> None:
        self._host = host
        self._environment = environment
        self.ca_file = Path(environment["HOME"]) / tls.CA_FILE
        """The certificate of the authority that vouches for the broker's."""

    def __call__(self, *arguments: str) -> None:
        """Run one command; CalledProcessError when it fails."""
        subprocess.run(
            self._host.command(
                *("setpriv", "--reuid", "rabbitmq", "--regid", "rabbitmq", "--clear-groups"),
                *("/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", *arguments),
            ),
            env=self._environment,
            cwd=self._environment["HOME"],
            check=True,
            capture_output=True,
        )


@contextlib.contextmanager
def broker(host: Host) -> Iterator[Control]:
    """A RabbitMQ that listens on *host*, until the end of the block."""
    account = pwd.getpwnam("rabbitmq")
    folder = Path(tempfile.mkdtemp(prefix="osloshark-rabbit-"))
    try:
        environment = _configure(folder, host)
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
        log = folder / "console.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                host.command(
                    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
                    *("sh", "-c", _SERVE),
                ),
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(host, process, log)
            yield Control(host, environment)
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
