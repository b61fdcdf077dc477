"""Clean environments with the wheel in them: linked together in a moment, or made by pip as a user does."""

import re
import subprocess
import sys
import tomllib
import venv
from importlib import metadata
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOR_DEVELOPERS: Final = {"test", "docs", "fuzz", "dev"}
EXTRAS: Final = sorted(set(PROJECT["optional-dependencies"]) - FOR_DEVELOPERS)
"""Those for users."""
_NAME: Final = re.compile(r"[\w.-]+")


def name_of(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found is not None
    return found[0]


def build(kind: str, folder: Path, source: Path = ROOT, **environment: str) -> Path:
    """Build the ``wheel`` or the ``sdist``, into a folder of its own."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, env=environment or None)
    (made,) = folder.iterdir()
    return made


class Environment:
    """A virtual environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/python*/site-packages")

    def install(self, *what: str) -> None:
        """Let the pip of the interpreter that runs us install packages into it."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check", "install"]
        subprocess.run([*command, "--quiet", *what], check=True, capture_output=True, timeout=500)

    def link(self, *names: str) -> None:
        """Put packages of the environment that runs us into it, and all that these need, without an index."""
        for distribution in _with_needed(names):
            for path in distribution.files or []:
                top = path.parts[0]
                if top not in ("..", "__pycache__") and not (self.packages / top).exists():
                    (self.packages / top).symlink_to(Path(str(distribution.locate_file(top))))

    def run(self, *words: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command in a folder."""
        command = [str(self.folder / "bin" / "osloshark"), *map(str, words)]
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment},
        )


def _with_needed(names: tuple[str, ...]) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name.lower() not in found:
            found[name.lower()] = metadata.distribution(name)
            needed = found[name.lower()].requires or []
            left += [name_of(requirement) for requirement in needed if ";" not in requirement]
    return list(found.values())
