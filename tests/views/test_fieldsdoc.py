import pytest

from dissector.fields import FIELDS
from dissector.filter import ALIASES
from dissector.views import fieldsdoc


def test_the_page_is_that_of_the_registry(capsys):
    assert fieldsdoc.main(["--check"]) == 0, capsys.readouterr().out


def test_every_field_has_a_row_of_four_cells():
    rows = [line for line in fieldsdoc.render().splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows} == {*FIELDS, *ALIASES}
    assert len(rows) == len(FIELDS) + len(ALIASES)
    assert all(row.replace("\\|", "").count("|") == 5 for row in rows)
    assert set(fieldsdoc._TITLES) == {name.partition(".")[0] for name in FIELDS}


def test_writing_and_drift(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fieldsdoc, "TARGET", tmp_path / "fields.md")
    assert fieldsdoc.main(["--check"]) == 2
    assert fieldsdoc.main([]) == 0
    assert fieldsdoc.main(["--check"]) == 0
    fieldsdoc.TARGET.write_text(fieldsdoc.render().replace("oslo.method", "oslo.metod"))
    assert capsys.readouterr().out == ""
    assert fieldsdoc.main(["--check"]) == 1
    assert "+| `oslo.method` |" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--chek"], ["--check", "x"]])
def test_other_arguments_are_refused(arguments, capsys):
    assert fieldsdoc.main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")
