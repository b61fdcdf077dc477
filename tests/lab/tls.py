"""TLS for the laboratory: an authority of its own that vouches for the broker, and what clients are told of it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .network import Address

CA_FILE: Final = "ca.pem"
HOOK: Final = Path(__file__).parents[2] / "docs" / "tls" / "sitecustomize.py"
"""What the documentation has services load."""
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_DAYS: Final = ("-days", "2")


def make_certificates(folder: Path, broker: Address) -> None:
    """Make an authority and the broker's certificate, for its name and addresses."""
    names = f"subjectAltName=DNS:{broker.name},IP:{broker.ipv4},IP:{broker.ipv6}"
    issuer = ("-CA", CA_FILE, "-CAkey", "ca.key")
    _openssl(folder, "-x509", *_KEY, *_DAYS, "-subj", "/CN=osloshark-lab", "-keyout", "ca.key", "-out", CA_FILE)
    own = ("-subj", f"/CN={broker.name}", "-addext", names, "-keyout", "broker.key", "-out", "broker.pem")
    _openssl(folder, "-x509", *_KEY, *_DAYS, *issuer, *own)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", "req", *arguments], cwd=folder, check=True, capture_output=True)


def broker_settings(folder: Path) -> list[str]:
    """RabbitMQ's settings for a listener with that certificate."""
    return [
        f"ssl_options.cacertfile = {folder / CA_FILE}",
        f"ssl_options.certfile = {folder / 'broker.pem'}",
        f"ssl_options.keyfile = {folder / 'broker.key'}",
        "ssl_options.verify = verify_none",
        "ssl_options.versions.1 = tlsv1.3",
        "ssl_options.versions.2 = tlsv1.2",
    ]


@dataclass(frozen=True)
class Tls:
    """How services connect: the version (a name of `ssl.TLSVersion`), and where their keys are logged."""

    version: str
    keylog: Path

    def described(self, ca_file: Path, conf: dict[str, Any]) -> dict[str, Any]:
        """What a service's description says of it, beside its own options ``conf``."""
        return {
            "tls": {"version": self.version, "keylog": str(self.keylog), "hook": str(HOOK)},
            "conf": {**conf, "ssl": True, "ssl_ca_file": str(ca_file)},
        }
