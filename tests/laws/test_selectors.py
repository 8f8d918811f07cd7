"""Laws of selectors: any text is one or a ValueError, and the operators are those of logic."""

from hypothesis import given, settings
from hypothesis import strategies as st

from felixpy.model.selectors import matches, parse_selector

KEYS, VALUES = st.sampled_from(["a", "b.c/d", "in", "has", "not"]), st.sampled_from(["", "x", "xy", "y z"])
LABELS = st.dictionaries(KEYS, VALUES, max_size=4)
ATOMS = st.one_of(
    st.just("all()"),
    KEYS.map("has({})".format),
    st.tuples(KEYS, st.sampled_from(["==", "!=", "contains", "starts with", "ends with"]), VALUES).map(
        lambda t: f"{t[0]} {t[1]} '{t[2]}'"
    ),
    st.tuples(KEYS, st.sampled_from(["in", "not in"]), st.lists(VALUES, max_size=2)).map(
        lambda t: f"{t[0]} {t[1]} {{{', '.join(repr(v) for v in t[2])}}}"
    ),
)
SELECTORS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        inner.map("!({})".format),
        st.tuples(inner, inner).map("({0[0]}) && ({0[1]})".format),
        st.tuples(inner, inner).map("{0[0]} || {0[1]}".format),
    ),
    max_leaves=6,
)


@given(SELECTORS, SELECTORS, LABELS)
@settings(max_examples=80, deadline=None)
def test_the_operators_are_those_of_logic(one: str, other: str, labels: dict[str, str]) -> None:
    first, second = matches(one, labels), matches(other, labels)
    assert matches(f"!({one})", labels) is not first
    assert matches(f"({one}) && ({other})", labels) is (first and second)
    assert matches(f"({one}) || ({other})", labels) is (first or second)
    assert matches(f"  {one}\t", labels) is first


@given(KEYS, VALUES, LABELS)
@settings(max_examples=60, deadline=None)
def test_a_negated_operator_is_the_negation(key: str, value: str, labels: dict[str, str]) -> None:
    assert matches(f"{key} != '{value}'", labels) is not matches(f"{key} == '{value}'", labels)
    assert matches(f"{key} not in {{'{value}'}}", labels) is not matches(f"{key} in {{'{value}'}}", labels)


@given(st.one_of(st.text(max_size=30), st.text(alphabet="ab ()!&|={},'\"", max_size=30)))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_selector_or_a_value_error(text: str) -> None:
    try:
        selector = parse_selector(text)
    except ValueError as error:
        assert len(str(error)) < 200
    else:
        assert selector.matches({}) in (True, False)
