"""Calico's selector language: which labels a selector matches. Pure.

    expression := term ('||' term)*            term := factor ('&&' factor)*
    factor     := '!'* ( '(' expression ')' | 'all()' | 'global()' | 'has(' key ')'
                       | key '==' text | key '!=' text | key 'in' set | key 'not in' set
                       | key 'contains' text | key 'starts with' text | key 'ends with' text )
    set        := '{' (text (',' text)*)? ','? '}'         text := "…" or '…', without escapes

Source: libcalico-go/lib/selector. `!=` and `not in` match where the label is absent; `contains`, `starts with` and
`ends with` do not. The empty selector matches everything. A key may hold letters, digits and `_ . / -`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Labels = Mapping[str, str]
Match = Callable[[Labels], bool]

MAX_DEPTH = 64  # parentheses within parentheses: more is an attack on the stack
MAX_LENGTH = 16384

SPACE = re.compile(r"[ \t\n]*")
TOKEN = re.compile(
    r"""(?P<text>"[^"]*"|'[^']*')|(?P<sign>&&|\|\||==|!=|[!(){},])|(?P<word>[a-zA-Z0-9_./-]+)""",
)
CALL = re.compile(r"(has|all|global)\([ \t\n]*([a-zA-Z0-9_./-]*)[ \t\n]*(\)?)")
OPERATOR = re.compile(r"contains|starts[ \t\n]*with|ends[ \t\n]*with|not[ \t\n]*in|in")

COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda value, wanted: wanted in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector: its text, and whether it uses `global()`, which some fields refuse."""

    text: str
    matches: Match
    uses_global: bool = False


@lru_cache(maxsize=1024)
def parse_selector(text: str) -> Selector:
    """The selector that `text` spells; ValueError with the column and what was expected there."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    reader = _Reader(text)
    if reader.at_end():
        return Selector(text, lambda labels: True)
    match = _expression(reader, 0)
    if not reader.at_end():
        raise reader.error("expected && or || or the end")
    return Selector(text, match, reader.uses_global)


def matches(text: str, labels: Labels) -> bool:
    """Whether `labels` match the selector `text`; ValueError when it is none."""
    return parse_selector(text).matches(labels)


class _Reader:
    """A position in the text. A key is followed by an operator, so words are read by what is expected."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.uses_global = False

    def skip(self) -> int:
        """Over blanks; the position of what follows."""
        found = SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def at_end(self) -> bool:
        """Whether only blanks are left."""
        return self.skip() == len(self.text)

    def error(self, expected: str) -> ValueError:
        """What is wrong at this position."""
        rest = self.text[self.at : self.at + 16]
        return ValueError(f"column {self.at + 1}: {expected}, not {rest!r}" if rest else f"ends where it {expected}")

    def sign(self, wanted: str) -> bool:
        """Read `wanted` if it comes next."""
        found = TOKEN.match(self.text, self.skip())
        if found is None or found["sign"] != wanted:
            return False
        self.at = found.end()
        return True

    def expect(self, wanted: str) -> None:
        """Read `wanted`."""
        if not self.sign(wanted):
            raise self.error(f"expected {wanted}")

    def quoted(self) -> str | None:
        """Read a text in quotes; None when none comes next."""
        found = TOKEN.match(self.text, self.skip())
        if found is None or found["text"] is None:
            return None
        self.at = found.end()
        return found["text"][1:-1]


def _expression(reader: _Reader, depth: int) -> Match:
    if depth > MAX_DEPTH:
        raise reader.error(f"expected at most {MAX_DEPTH} nested parentheses")
    terms = [_term(reader, depth)]
    while reader.sign("||"):
        terms.append(_term(reader, depth))
    return terms[0] if len(terms) == 1 else lambda labels: any(term(labels) for term in terms)


def _term(reader: _Reader, depth: int) -> Match:
    factors = [_factor(reader, depth)]
    while reader.sign("&&"):
        factors.append(_factor(reader, depth))
    return factors[0] if len(factors) == 1 else lambda labels: all(factor(labels) for factor in factors)


def _factor(reader: _Reader, depth: int) -> Match:
    negated = False
    while reader.sign("!"):
        negated = not negated
    if reader.sign("("):
        match = _expression(reader, depth + 1)
        reader.expect(")")
    else:
        match = _call(reader) or _comparison(reader)
    return (lambda labels: not match(labels)) if negated else match


def _call(reader: _Reader) -> Match | None:
    found = CALL.match(reader.text, reader.skip())
    if found is None:
        return None
    name, key, closed = found.groups()
    if (name == "has") != bool(key):
        reader.at = found.start(2)
        raise reader.error("expected a label name" if name == "has" else "expected )")
    reader.at = found.end()
    if not closed:
        raise reader.error("expected )")
    reader.uses_global |= name == "global"
    return (lambda labels: key in labels) if name == "has" else (lambda labels: True)


def _comparison(reader: _Reader) -> Match:
    found = TOKEN.match(reader.text, reader.skip())
    if found is None or found["word"] is None:
        raise reader.error("expected a label name, has(…), all() or (")
    key = found["word"]
    reader.at = found.end()
    if reader.sign("=="):
        wanted = _text(reader)
        return lambda labels: labels.get(key) == wanted
    if reader.sign("!="):
        wanted = _text(reader)
        return lambda labels: labels.get(key) != wanted
    operator = OPERATOR.match(reader.text, reader.skip())
    if operator is None:
        raise reader.error("expected ==, !=, in, not in, contains, starts with or ends with")
    reader.at = operator.end()
    name = "".join(operator[0].split())
    if name == "in":
        values = _set(reader)
        return lambda labels: labels.get(key) in values
    if name == "notin":
        values = _set(reader)
        return lambda labels: labels.get(key) not in values
    compare, wanted = COMPARE[name], _text(reader)
    return lambda labels: key in labels and compare(labels[key], wanted)


def _text(reader: _Reader) -> str:
    value = reader.quoted()
    if value is None:
        raise reader.error("expected a value in quotes")
    return value


def _set(reader: _Reader) -> frozenset[str]:
    reader.expect("{")
    values = []
    while (value := reader.quoted()) is not None:
        values.append(value)
        if not reader.sign(","):
            break
    reader.expect("}")
    return frozenset(values)


__all__ = ["Selector", "matches", "parse_selector"]
