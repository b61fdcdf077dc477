"""Puts the plugin, and a profile for it, into the folders of the user's Wireshark, and takes them away again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from dissector.errors import UsageError
from dissector.interop import lua, profile

_PLUGINS: Final = "Personal Lua Plugins"
_SETTINGS: Final = "Personal configuration"
_NAME: Final = "osloshark.lua"
_MARK: Final = "-- osloshark "
"""How every version of the plugin begins."""
_TIMEOUT_S: Final = 60.0


class Change(NamedTuple):
    """What was done to a file: ``what`` (installed, removed, kept) with ``path``, and a remark."""

    what: str
    path: Path
    remark: str = ""


def folders(timeout_s: float = _TIMEOUT_S) -> dict[str, Path]:
    """Ask Wireshark for its folders, by its own names for them. Raises `UsageError` where it cannot be asked."""
    for program in ("tshark", "wireshark"):
        try:
            done = subprocess.run([program, "-G", "folders"], capture_output=True, timeout=timeout_s, check=False)
        except FileNotFoundError:
            continue
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"{program} -G folders: {error}") from error
        rows = (line.partition(":") for line in done.stdout.decode(errors="surrogateescape").splitlines())
        found = {name.strip(): Path(path.strip()) for name, _, path in rows if path.strip()}
        if found:
            return found
        raise UsageError(f"{program} -G folders does not name Wireshark's folders; write the plugin there with -o FILE")
    raise UsageError("neither tshark nor wireshark is on the PATH; install one, or write the plugin with -o FILE")


def install(*, with_profile: bool) -> Iterator[Change]:
    """Write the plugin, and the profile where that is wanted; tell of each file as it is done.

    A plugin of another version is replaced, a file of the profile only where nobody changed it. Raises `UsageError`
    where there is a foreign file, or a folder cannot be written to.
    """
    text = lua.bundle()
    known = folders()
    target = place(known)
    if target.exists() and not is_ours(target):
        raise UsageError(f"{target}: is a file that osloshark did not write; move it away first")
    yield _write(target, text)
    if with_profile:
        folder = _profile(known)
        for name, content in profile.FILES.items():
            if _is_changed(folder / name):
                yield _kept(folder / name, "to have it anew, move it away first")
            else:
                yield _write(folder / name, content)


def uninstall(*, with_profile: bool) -> Iterator[Change]:
    """Remove the plugin, and the profile where that is wanted; tell of each file as it is done.

    A file of the profile stays where somebody changed it. Raises `UsageError` as `install` does.
    """
    known = folders()
    target = place(known)
    if target.exists():
        if not is_ours(target):
            raise UsageError(f"{target}: is a file that osloshark did not write; it stays")
        yield _remove(target)
    if with_profile:
        folder = _profile(known)
        for name in profile.FILES:
            if _is_changed(folder / name):
                yield _kept(folder / name, "remove it yourself if you do not need it")
            elif (folder / name).exists():
                yield _remove(folder / name)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def place(known: dict[str, Path]) -> Path:
    """Give where the plugin is, or would be, of the `folders` of a Wireshark. Raises `UsageError` where it has none."""
    return _folder(known, _PLUGINS) / _NAME


def _folder(known: dict[str, Path], name: str) -> Path:
    if name not in known:
        raise UsageError(f"this Wireshark does not tell its folder {name!r}; write the plugin with -o FILE")
    return known[name]


def _profile(known: dict[str, Path]) -> Path:
    return _folder(known, _SETTINGS) / "profiles" / profile.NAME


def is_ours(path: Path) -> bool:
    """Tell whether some version of osloshark wrote a file. Raises `UsageError` where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(len(_MARK)) == _MARK
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _is_changed(path: Path) -> bool:
    try:
        return not profile.is_as_written(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _kept(path: Path, remedy: str) -> Change:
    return Change("kept", path, f", which was changed since osloshark wrote it; {remedy}")


def _write(path: Path, text: str) -> Change:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return Change("installed", path)


def _remove(path: Path) -> Change:
    try:
        path.unlink()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return Change("removed", path)
