"""What ``import dissector`` gives: documented, with examples that run, typed, and imported when it is used."""

import doctest
import importlib
import inspect
import subprocess
import sys
import types

import pytest

import dissector
from docs.generate import pythonblocks

from ..lab import truth

ROOT = truth.PCAPS.parent
DOCUMENTED = [name for name in dissector.__all__ if callable(getattr(dissector, name))]
HEAVY = {"numpy", "scapy", "construct", "pyshark", "pyarrow", "pandas", "polars", "rich", "click", "asyncio", "lark"}


def test_every_name_has_a_docstring_with_an_example():
    assert set(dissector.__all__) - set(DOCUMENTED) == {"FIELDS", "__version__"}
    for name in DOCUMENTED:
        doc = inspect.getdoc(getattr(dissector, name))
        assert ">>> import" in doc, name
        assert "dissector" in doc.partition(">>> import")[2], name


@pytest.mark.parametrize("module", sorted({getattr(dissector, name).__module__ for name in DOCUMENTED} | {"dissector"}))
def test_examples_in_docstrings_work(module, monkeypatch):
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert not failed
    assert tried


def test_the_page_names_every_name():
    page = (ROOT / "docs" / "python.md").read_text()
    assert [name for name in dissector.__all__ if name not in page] == ["__version__"]


def test_examples_in_pages_print_what_stands_below_them():
    """Where they do not, and rightly so, ``make generate`` writes it anew."""
    rendered = pythonblocks.rendered(ROOT)
    assert {page.name for page in rendered} >= {"README.md", "python.md"}
    for page, text in rendered.items():
        assert page.read_text() == text


def test_examples_in_the_page_are_typed(tmp_path):
    """With the project's own settings, which are strict, so that what ``make check`` has looked at is known already."""
    example = tmp_path / "example.py"
    example.write_text("\n".join(pythonblocks.code(ROOT / "docs" / "python.md")))
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", str(example)]
    checked = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT).stdout
    assert "(checked 1 source file)" in checked or "in 1 source file" in checked
    assert [line for line in checked.splitlines() if ": error:" in line and "[import-untyped]" not in line] == []
    example.write_text("import dissector\nfor message in dissector.read(''):\n    message.oslo.method\n")
    checked = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT).stdout
    assert 'Item "None" of "OsloFields | None" has no attribute "method"' in checked
    assert (ROOT / "dissector" / "py.typed").exists()


def loaded(code: str) -> set[str]:
    words = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def test_importing_is_light():
    assert not HEAVY & loaded("import dissector")
    assert not {"pyarrow", "asyncio", "construct"} & loaded("import dissector; dissector.read, dissector.calls")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dissector.nothing  # noqa: B018
    assert set(dissector.__all__) <= set(dir(dissector))


@pytest.mark.parametrize("name", ["filter", "explain"])
def test_functions_are_not_hidden_by_the_rooms_of_their_names(name):
    room = importlib.import_module(f"dissector.{name}")
    assert isinstance(room, types.ModuleType)
    assert isinstance(getattr(dissector, name), types.FunctionType)
    assert sys.modules[f"dissector.{name}"] is room
