"""Older releases of oslo.messaging: what they put on the wire differs, and they are still in use.

Each is fetched from the package index without its dependencies, and runs on the libraries that are
installed (kombu among them).
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

RELEASES: Final = ("5.35.0", "9.5.0", "12.13.0", "14.9.0")
"""Before 9.2 replies had an exchange of their own; before 10.2 they were not mandatory; 14.9 is the oldest
that current OpenStack releases still support."""
MOUNTED: Final = "/srv/releases"


def fetch(folder: Path) -> None:
    """Install every release into a folder of its own name in *folder*."""
    for release in RELEASES:
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
                *("--disable-pip-version-check", "--target", str(folder / release)),
                f"oslo.messaging=={release}",
            ],
            check=True,
            capture_output=True,
        )
