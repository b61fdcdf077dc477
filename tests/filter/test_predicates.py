import pytest

from dissector.filter.predicates import equal, matches, network, ordered


@pytest.mark.parametrize("value", [None, 1, 1.5, True, "x", [], {}, [1], {"a": 1}, "10.0.0.1", b"x"])
def test_predicates_take_any_value(value):
    for wanted in ("x", 1, 1.5, True, network("10.0.0.0/8")):
        assert equal(wanted)(value) in (True, False)
        if wanted is not True:
            for name in ("lt", "le", "gt", "ge"):
                assert ordered(name, wanted)(value) in (True, False)


def test_a_hostile_body_cannot_keep_a_regular_expression_busy():
    # Backtracking would end with the run's time limit, not before.
    assert not matches("(a+)+(a|aa)*$")("a" * 200_000 + "!")


def test_what_is_too_long_for_an_address_is_none():
    assert not equal(network("::/0"))("1" * 1_000_000)
    assert network("10.0.0.0/9999999") is None
    assert network("10.0.0.256") is None
