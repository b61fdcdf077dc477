"""The wheel, not the checkout, where nothing is but what the core needs."""

import ast
import sys

import pytest

from dissector.cli import checks

from .environments import EXTRAS, PROJECT, ROOT, Environment, build, name_of
from .smoke import USED, doctored, miss, use

pytestmark = pytest.mark.xdist_group("installed")
"""One worker makes it, once."""
MODULES = {"re2": "google-re2", "textual_serve": "textual-serve"}
"""Packages by what is imported, where that has another name."""


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    environment = Environment(folder / "core")
    environment.link(*map(name_of, PROJECT["dependencies"]))
    wheel = build("wheel", folder / "dist")
    environment.install("--no-index", "--no-deps", "--no-compile", str(wheel))
    return environment


def test_the_core_does_its_work(core, tmp_path):
    use(core, tmp_path)


def test_the_doctor_finds_the_core_and_no_extra(core, tmp_path):
    states = doctored(core, tmp_path)
    assert {state for (group, _), state in states.items() if group == "core"} == {"ok"}
    extras = {name: state for (group, name), state in states.items() if group == "extras"}
    assert extras == dict.fromkeys(EXTRAS, "missing")


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_needs_an_extra_says_so(core, tmp_path, extra):
    miss(core, tmp_path, extra)


def test_every_extra_is_known():
    assert sorted(checks.EXTRAS) == sorted(USED) == EXTRAS


def test_what_is_imported_is_what_is_required():
    """Every package of the core is used, and what is used is in the core or in an extra."""
    imported = set()
    for path in (ROOT / "dissector").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    foreign = {MODULES.get(name, name) for name in imported} - sys.stdlib_module_names - {"dissector"}
    required = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    optional = {name_of(one) for extra in EXTRAS for one in PROJECT["optional-dependencies"][extra]}
    assert required <= foreign
    assert foreign - required <= optional
