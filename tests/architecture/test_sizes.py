"""The limits that keep every file readable: 300 lines, 40 lines a function, five parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(p for package in ("felixpy", "birdpy") for p in (ROOT / package).rglob("*.py"))
MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 300, 40, 5


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without decorators (they hold the command line's options) and docstring."""
    doc = node.body[0].end_lineno or 0 if ast.get_docstring(node) else 0
    start = node.body[0].lineno - 1 if doc else 0
    return (node.end_lineno or 0) - node.lineno + 1 - (doc - start if doc else 0)


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    args = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([a for a in args if a not in ("self", "cls")])


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A click command takes one parameter per option: its signature is the command line itself."""
    return any("command" in ast.dump(d) for d in node.decorator_list)


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_keeps_the_limits(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE
    for node in functions(ast.parse(text)):
        assert code_lines(node) <= MAX_FUNCTION, f"{node.name} in line {node.lineno} is too long"
        if not is_command(node):
            assert parameters(node) <= MAX_PARAMETERS, f"{node.name} in line {node.lineno} takes too much"


def test_the_limits_can_fail() -> None:
    long = ast.parse("def f(a, b, c, d, e, g):\n" + "    pass\n" * 50)
    (node,) = functions(long)
    assert code_lines(node) > MAX_FUNCTION
    assert parameters(node) > MAX_PARAMETERS
