"""The selector language, line by line of its grammar."""

import pytest

from felixpy.model.selectors import matches, parse_selector

LABELS = {"rack": "r1", "kubernetes.io/os": "linux", "empty": "", "has": "x", "in": "y"}

TRUE = [
    "", "  ", "all()", "all( )", "global()", "has(rack)", "has( rack )", "has(kubernetes.io/os)", "has(empty)",
    "rack == 'r1'", 'rack=="r1"', "rack != 'r2'", "absent != 'x'", "empty == ''",
    "rack in {'r1', 'r2'}", "rack in{'r1'}", "rack in { 'r1', }", "rack not in {'r2'}", "absent not in {'x'}",
    "rack not in {}", "rack contains '1'", "rack contains ''", "rack starts with 'r'", "rack starts  with 'r'",
    "rack ends with '1'", "!has(absent)", "!!has(rack)", "! has(absent)", "!(rack == 'r2')",
    "rack == 'r1' && has(empty)", "rack == 'r2' || has(empty)", "rack == 'r2' && has(x) || all()",
    "(rack == 'r1')", "((rack == 'r1') && (all()))", "all() || all() && !all()", "has == 'x'", "in == 'y'",
    "rack == 'r1'\n", "kubernetes.io/os == 'linux'", "rack contains 'r' && rack ends with '1'", "in in {'y'}",
]  # fmt: skip
FALSE = [
    "!all()", "has(absent)", "rack == 'r2'", "rack != 'r1'", "absent == ''", "rack in {}", "absent in {''}",
    "rack not in {'r1'}", "absent contains ''", "absent starts with ''", "absent ends with ''", "rack == 'R1'",
    "rack starts with '1'", "rack ends with 'r'", "has(rack) && !has(rack)", "!(all() || has(x))",
    "(all() || all()) && !all()",
]  # fmt: skip
WRONG = {
    "rack": "ends where it expected ==",
    "rack = 'r1'": "column 6: expected ==",
    "rack == r1": "column 9: expected a value in quotes",
    "rack == 'r1": "column 9: expected a value in quotes",
    "rack == 'r1' &": "column 14: expected && or ||",
    "rack == 'r1' && ": "ends where it expected a label name",
    "rack == 'r1' rack": "column 14: expected && or ||",
    "(all()": r"ends where it expected \)",
    "all())": "column 6: expected && or ||",
    "has()": "column 5: expected a label name",
    "has(a b)": r"column 7: expected \)",
    "all(x)": r"column 5: expected \)",
    "rack in 'r1'": "column 9: expected {",
    "rack in {r1}": "column 10: expected }",
    "rack in {'r1' 'r2'}": "column 15: expected }",
    "rack in {'r1'": "ends where it expected }",
    "rack starts 'r'": "column 6: expected ==",
    "rack not 'r'": "column 6: expected ==",
    "$": "column 1: expected a label name",
    "!": "ends where it expected a label name",
    "(" * 1000 + "all()" + ")" * 1000: "nested",
    "a" * 20000: "longer",
}


@pytest.mark.parametrize("text", TRUE)
def test_it_matches(text: str) -> None:
    assert matches(text, LABELS)


@pytest.mark.parametrize("text", FALSE)
def test_it_does_not_match(text: str) -> None:
    assert not matches(text, LABELS)


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:24])
def test_an_error_says_where_and_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text]):
        parse_selector(text)


def test_it_knows_whether_global_is_used() -> None:
    assert parse_selector("global() && has(a)").uses_global
    assert not parse_selector("has(global)").uses_global
