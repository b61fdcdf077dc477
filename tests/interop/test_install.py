"""``osloshark lua``: written, installed where the user's Wireshark looks, used by it, and taken away again."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dissector.interop import lua, profile

from ..lab import truth

DEMO = str(truth.captures()["demo"])


@pytest.fixture
def home(tmp_path):
    """Folders of a user's own."""
    return os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}


def run(*arguments, env):
    command = [sys.executable, "-c", "from dissector.cli import main; main()", "lua", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def files(directory):
    return {path.name for path in Path(directory).rglob("*") if path.is_file()}


def test_it_is_printed_and_written(home, tmp_path):
    assert run(env=home).stdout == lua.bundle()
    assert run("-o", str(tmp_path / "x.lua"), env=home).returncode == 0
    assert (tmp_path / "x.lua").read_text(encoding="utf-8") == lua.bundle()


@pytest.mark.tshark
def test_installed_it_is_used_and_uninstalled_it_is_gone(home):
    done = run("--install", "--profile", env=home)
    assert done.returncode == 0
    assert done.stderr.count("osloshark: installed ") == 3
    assert files(home["HOME"]) == {"osloshark.lua", *profile.FILES}
    shown = subprocess.run(
        ["tshark", "-n", "-C", profile.NAME, "-r", DEMO, "-Y", "rpc.status"],
        capture_output=True,
        text=True,
        check=True,
        env=home,
    ).stdout
    row = next(line for line in shown.splitlines() if "reply ok" in line)
    assert "report_state" in row
    assert "q-reports-plugin" in row
    assert run("--install", env=home).returncode == 0
    assert run("--uninstall", "--profile", env=home).stderr.count("osloshark: removed ") == 3
    assert files(home["HOME"]) == set()
    assert "nothing to remove" in run("--uninstall", env=home).stderr


@pytest.mark.tshark
def test_a_profile_that_was_changed_stays(home):
    run("--install", "--profile", env=home)
    (preferences,) = Path(home["HOME"]).rglob("preferences")
    written = preferences.read_text()
    preferences.write_text(written.replace("Topic", "My topic"))
    for option in ("--install", "--uninstall"):
        done = run(option, "--profile", env=home)
        assert done.returncode == 0
        assert f"kept {preferences}, which was changed" in done.stderr
        assert "My topic" in preferences.read_text()
    assert files(home["HOME"]) == {"preferences"}
    preferences.write_text(written)
    assert "removed" in run("--uninstall", "--profile", env=home).stderr
    assert files(home["HOME"]) == set()


@pytest.mark.tshark
def test_a_foreign_file_stays(home):
    run("--install", env=home)
    (installed,) = Path(home["HOME"]).rglob("osloshark.lua")
    installed.write_text("-- mine\n")
    for option in ("--install", "--uninstall"):
        done = run(option, env=home)
        assert done.returncode == 2
        assert "a file that osloshark did not write" in done.stderr
    assert installed.read_text() == "-- mine\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--install", "--uninstall"), "contradict each other"),
        (("--profile",), "--profile goes with --install"),
        (("--install", "-o", "x"), "-o names where"),
    ],
)
def test_options_that_do_not_go_together(home, arguments, said):
    done = run(*arguments, env=home)
    assert done.returncode == 2
    assert said in done.stderr


def test_without_wireshark_the_remedy_is_told(home, tmp_path):
    done = run("--install", env=home | {"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert "-o FILE" in done.stderr


def test_the_wheel_has_it(tmp_path):
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=root, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("dissector/interop/osloshark.lua").decode() == lua.bundle()
