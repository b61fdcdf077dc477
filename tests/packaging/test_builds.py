"""The same sources give the same bytes, whoever builds them, when and where."""

import hashlib
import os
import shutil
import tarfile
import zipfile

import pytest

from .environments import ROOT, build

pytestmark = pytest.mark.xdist_group("built")
"""One worker builds them, once."""
EPOCH = "1700000000"
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", ".bench", ".fuzz", "site", "__pycache__"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheels and sdists of two copies of the sources, the second with other times, modes and surroundings."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "elsewhere" / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
    for path in copy.rglob("*"):
        os.utime(path, (1_500_000_000, 1_500_000_000), follow_symlinks=False)
        if path.is_file():
            path.chmod(0o600 | path.stat().st_mode & 0o111)
    here = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "TZ": "UTC"}
    there = {**here, "TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7", "HOME": str(folder)}
    return {
        kind: (
            build(kind, folder / f"{kind}-here", ROOT, **here),
            build(kind, folder / f"{kind}-there", copy, **there),
        )
        for kind in ("wheel", "sdist")
    }


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_built_twice_they_are_the_same(built, kind):
    first, second = built[kind]
    assert first.name == second.name
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_the_wheel_has_what_is_installed_and_nothing_else(built):
    with zipfile.ZipFile(built["wheel"][0]) as archive:
        names = archive.namelist()
    assert "dissector/interop/osloshark.lua" in names
    assert "dissector/py.typed" in names
    pages = {path.name for path in (ROOT / "docs" / "man").iterdir()}
    assert {name.rpartition("/")[2] for name in names if "/share/man/man1/" in name} == pages
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"dissector", "osloshark"}


def test_a_wheel_of_the_sdist_is_the_wheel(built, tmp_path):
    with tarfile.open(built["sdist"][0]) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    again = build("wheel", tmp_path / "wheel", source, **os.environ, SOURCE_DATE_EPOCH=EPOCH)
    assert again.read_bytes() == built["wheel"][0].read_bytes()
