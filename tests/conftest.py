"""What all tests share: which programs a marked test needs, and what becomes of it where they are missing."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from .lab import truth
from .lab.fixtures import lab, missing
from .tui.browser import PROGRAM

__all__ = ["lab"]

# In CI the examples are the same each time: a red run speaks of the change that it ran for. New examples are looked for
# by everybody else's runs. How long one takes is the machine's matter.
settings.register_profile(
    "osloshark",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("OSLOSHARK_CI")),
    print_blob=True,
)
settings.load_profile("osloshark")

_SBIN = f"{os.environ.get('PATH', os.defpath)}:/sbin:/usr/sbin"


def _without(*programs: str) -> list[str]:
    return [program for program in programs if shutil.which(program, path=_SBIN) is None]


MISSING = {
    "tshark": lambda: _without("tshark", "editcap", "mergecap", "text2pcap"),
    "broker": missing,
    "valgrind": lambda: _without("valgrind"),
    "tmux": lambda: _without("tmux"),
    "mandoc": lambda: _without("mandoc"),
    "shells": lambda: _without("bash", "zsh", "fish"),
    "browser": lambda: _without(PROGRAM),
    "netns": lambda: _without("tcpdump", "tcpreplay", "ip") + ([] if os.geteuid() == 0 else ["root"]),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, find in MISSING.items():
        if item.get_closest_marker(marker) and (lacking := find()):
            reason = f"needs {', '.join(lacking)}"
            if os.environ.get("OSLOSHARK_CI"):
                pytest.fail(f"{reason}; in CI no test may be left out")
            pytest.skip(reason)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``capture_name`` runs for every shipped capture."""
    if "capture_name" in metafunc.fixturenames:
        metafunc.parametrize("capture_name", list(truth.captures()))
