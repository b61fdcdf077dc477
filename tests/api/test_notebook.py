"""The notebook runs in Jupyter's own kernel, and what it stores is what its cells print."""

import nbformat

from docs.generate import notebook


def test_it_prints_what_it_stores():
    """Where it does not, and rightly so, ``make generate`` writes it anew."""
    stored = notebook.PAGE.read_text()
    assert notebook.render() == stored
    cells = nbformat.reads(stored, as_version=4).cells
    assert sum(bool(cell.get("outputs")) for cell in cells) >= 8
