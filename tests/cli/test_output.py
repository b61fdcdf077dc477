import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from dissector.cli.output import Output, OutputError
from dissector.errors import UsageError

from ..lab import truth
from .command import COMMAND, osloshark

DEMO = truth.captures()["demo"]
IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_new_file_is_there_at_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "new"
    with Output(str(path)) as out:
        out.write(b"one\n")
        assert path.read_bytes() == b"one\n", "so that it can be followed"
        assert mode(path) == 0o600
        out.write(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert names_in(tmp_path) == ["new"]


def test_an_old_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "old"
    path.write_bytes(b"before")
    path.chmod(0o644)
    inode = path.stat().st_ino
    with Output(str(path)) as out:
        out.write(b"after")
        assert path.read_bytes() == b"before"
        (beside,) = set(tmp_path.iterdir()) - {path}
        assert mode(beside) & 0o022 == 0
    assert path.read_bytes() == b"after"
    assert path.stat().st_ino != inode
    assert mode(path) == 0o644
    assert names_in(tmp_path) == ["old"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OutputError])
def test_an_error_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "old"
    path.write_bytes(b"before")

    def fail():
        with Output(str(path)) as out:
            out.write(b"after")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"before"
    assert names_in(tmp_path) == ["old"]


def test_two_at_once_leave_one_whole_file(tmp_path):
    path = tmp_path / "old"
    path.write_bytes(b"before")
    with Output(str(path)) as one, Output(str(path)) as other:
        for _ in range(10):
            one.write(b"one ")
            other.write(b"other ")
    assert path.read_bytes() in (b"one " * 10, b"other " * 10)
    assert names_in(tmp_path) == ["old"]


def test_a_long_name(tmp_path):
    path = tmp_path / ("é" * 127)
    for text in (b"one", b"two"):
        with Output(str(path)) as out:
            out.write(text)
    assert path.read_bytes() == b"two"


def test_a_name_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in (b"one", b"two"):
        with Output("file") as out:
            out.write(text)
    assert (tmp_path / "file").read_bytes() == b"two"


def test_what_is_no_file_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    with Output(str(pipe)) as out:
        out.write(b"text")
    assert reader.communicate(timeout=10)[0] == b"text"
    assert pipe.is_fifo()
    with Output(os.devnull) as out:
        out.write(b"text")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_name(tmp_path, name):
    done = osloshark("read", "-q", "-c", 1, "-o", name, DEMO)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1
    with (tmp_path / "file").open("wb") as file:
        subprocess.run([COMMAND, "read", "-q", "-c", "1", "-o", name, DEMO], stdout=file, check=True)
    assert (tmp_path / "file").read_bytes() == done.stdout


# --- where it cannot go ----------------------------------------------------------------------------------------------


def test_a_full_device(tmp_path):
    done = osloshark("read", "-q", "-o", "/dev/full", DEMO)
    assert done.returncode == 1
    assert done.stderr == b"osloshark: /dev/full: cannot be written: No space left on device\n"


@pytest.mark.parametrize("option", ["-o", "-w"])
def test_too_large_a_file(tmp_path, option):
    path = tmp_path / "old"
    path.write_bytes(b"before")
    command = ["prlimit", "--fsize=4096", COMMAND, "read", "-q", option, path, DEMO]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (1, f"osloshark: {path}: cannot be written: File too large\n")
    assert path.read_bytes() == b"before"
    assert names_in(tmp_path) == ["old"]


@pytest.fixture
def mounted(tmp_path):
    """Mounts a small file system; its folder."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
    if not IS_ROOT or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(mounted):
    path = mounted / "old"
    path.write_bytes(b"before")
    done = osloshark("read", "-q", "-w", path, DEMO)
    assert done.returncode == 1
    assert done.stderr.decode() == f"osloshark: {path}: cannot be written: No space left on device\n"
    assert path.read_bytes() == b"before"
    assert names_in(mounted) == ["old"]


def test_a_read_only_disk(mounted):
    path = mounted / "old"
    path.write_bytes(b"before")
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    done = osloshark("read", "-q", "-o", path, DEMO)
    assert (done.returncode, done.stderr.decode()) == (
        2,
        f"osloshark: {path}: cannot be written: it is write-protected\n",
    )
    done = osloshark("read", "-q", "-o", mounted / "new", DEMO)
    assert done.stderr.decode() == f"osloshark: {mounted / 'new'}: cannot be written: Read-only file system\n"


def test_no_folder_and_a_folder(tmp_path):
    for path, reason in ((tmp_path / "no" / "file", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=reason):
            Output(str(path))


# --- where it must not go --------------------------------------------------------------------------------------------


def test_the_captures_themselves(tmp_path):
    capture = tmp_path / "capture"
    capture.write_bytes(DEMO.read_bytes())
    (tmp_path / "link").symlink_to(capture)
    for name in ("capture", "link"):
        with pytest.raises(UsageError, match="is one of the captures"):
            Output(str(tmp_path / name), [str(capture)])


@as_root
@pytest.mark.parametrize("target", ["there", "not there"])
def test_root_follows_no_link(tmp_path, target):
    meant = tmp_path / "there"
    meant.write_bytes(b"before")
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(UsageError, match="a symbolic link, which root does not follow"):
        Output(str(tmp_path / "link"))
    assert meant.read_bytes() == b"before"
    assert names_in(tmp_path) == ["link", "there"]


@as_root
def test_root_writes_to_a_pipe_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(os.devnull)
    with Output(str(tmp_path / "link")) as out:
        out.write(b"text")
    assert names_in(tmp_path) == ["link"]


def test_others_follow_a_link_and_replace_what_it_means(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() or 1)
    meant = tmp_path / "there"
    (tmp_path / "link").symlink_to(meant)
    for text in (b"one", b"two"):
        with Output(str(tmp_path / "link")) as out:
            out.write(text)
    assert meant.read_bytes() == b"two"
    assert (tmp_path / "link").is_symlink()
    assert names_in(tmp_path) == ["link", "there"]


@as_root
def test_a_file_that_somebody_else_put_there_does_not_say_who_may_read(tmp_path):
    path = tmp_path / "old"
    path.touch()
    path.chmod(0o666)
    os.chown(path, 12345, 12345)
    with Output(str(path)) as out:
        out.write(b"secret")
    assert (mode(path), path.stat().st_uid) == (0o600, 0)


@as_root
def test_a_pipe_of_somebody_else(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.chown(tmp_path / "pipe", 12345, 12345)
    with pytest.raises(UsageError, match="a pipe of another user"):
        Output(str(tmp_path / "pipe"))


# --- ended from outside ----------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(tmp_path):
    """The command, waiting for packets, with an old file to replace."""
    path = tmp_path / "old"
    path.write_bytes(b"before")
    command = [COMMAND, "read", "-q", "-o", path, "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(DEMO.read_bytes())
    process.stdin.flush()
    for _ in range(1000):
        if sum(file.stat().st_size for file in tmp_path.iterdir()) > 10_000:
            break
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_ended(tmp_path, waiting, number, status):
    waiting.send_signal(number)
    assert waiting.wait(10) == status
    assert (tmp_path / "old").read_bytes() == b"before"
    assert names_in(tmp_path) == ["old"]


def test_killed(tmp_path, waiting):
    waiting.kill()
    waiting.wait(10)
    assert (tmp_path / "old").read_bytes() == b"before"


def test_interrupted_is_a_proper_end(tmp_path, waiting):
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(10) == 130
    assert (tmp_path / "old").read_bytes().count(b"\n") >= 80
    assert names_in(tmp_path) == ["old"]


def test_signals_are_given_back(tmp_path):
    path = tmp_path / "old"
    path.touch()
    before = signal.getsignal(signal.SIGTERM)
    with Output(str(path)) as out:
        out.write(b"x")
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_reaches_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)))
    for _ in range(2):
        with Output(str(tmp_path / "file")) as out:
            out.write(b"x")
    assert synced == [False, True] * 2


@pytest.mark.parametrize("arguments", [("read", "-w", "-"), ("read", "-w", "-", "--scrub"), ("stats",), ("calls",)])
def test_a_reader_that_goes(arguments):
    """As ``head -c 0`` does: no error, nothing said of it."""
    with subprocess.Popen([COMMAND, *arguments, "-q", DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


def test_a_capture_on_standard_input_is_not_overwritten(tmp_path):
    path = tmp_path / "capture"
    path.write_bytes(Path(DEMO).read_bytes())
    with path.open("rb") as file:
        done = subprocess.run([COMMAND, "read", "-o", path, "-"], stdin=file, capture_output=True, check=False)
    assert (done.returncode, b"is one of the captures" in done.stderr) == (2, True)
    assert path.read_bytes() == Path(DEMO).read_bytes()
