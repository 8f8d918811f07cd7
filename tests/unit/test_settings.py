"""A daemon's settings: flag over environment over default; every error names the value and where it came from."""

from dataclasses import dataclass

import pytest

from birdpy import config
from felixpy.daemon.settings import Setting, described, options, parsed, setting, settle
from felixpy.model.errors import Usage


@dataclass(frozen=True, slots=True)
class Example:
    """One field of each type."""

    node: str = setting("", Setting("the node", environment="FELIXPY_NODE"))
    resync_s: float = setting(90.0, Setting("interval", unit="seconds", low=1, high=3600))
    metric: int = setting(1024, Setting("metric", low=1))
    quiet: bool = setting(False, Setting("say less"))
    level: str = setting("info", Setting("level", choices=("info", "error")))


KNOWN = options(Example, "X")


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"X_METRIC": "7", "X_RESYNC_S": "5"}
    assert settle(Example, "X", {"metric": "9"}, environ) == Example(metric=9, resync_s=5.0)


def test_a_variable_may_have_a_name_of_its_own() -> None:
    assert settle(Example, "X", {}, {"FELIXPY_NODE": "n1", "X_NODE": "n2"}).node == "n1"


def test_flags_are_read_in_both_spellings() -> None:
    assert parsed(["--node", "n1", "--metric=3", "--quiet"], KNOWN) == {"node": "n1", "metric": "3", "quiet": True}


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        ({}, {"X_RESYNC_S": "abc"}, "X_RESYNC_S=abc (environment): not a number"),
        ({"metric": "1.5"}, {}, "--metric 1.5: not a whole number"),
        ({"metric": "0"}, {}, "--metric 0: outside 1..∞"),
        ({"resync_s": "nan"}, {}, "--resync-s nan: outside 1..3600"),
        ({"level": "loud"}, {}, "--level loud: not one of info, error"),
        ({}, {"X_QUIET": "maybe"}, "X_QUIET=maybe (environment): not one of true, false"),
    ],
)
def test_a_wrong_value_is_named_with_its_origin(flags: dict[str, str], environ: dict[str, str], message: str) -> None:
    with pytest.raises(Usage) as caught:
        settle(Example, "X", flags, environ)
    assert str(caught.value) == message


@pytest.mark.parametrize("argv", [["--nodes", "n1"], ["n1"], ["--node"]])
def test_an_unknown_or_incomplete_flag_is_wrong_usage(argv: list[str]) -> None:
    with pytest.raises(Usage):
        parsed(argv, KNOWN)


def test_help_says_unit_range_default_and_environment() -> None:
    assert described(KNOWN[1]) == "interval (in seconds; 1..3600; default 90.0; env X_RESYNC_S)"


def test_the_router_starts_with_its_defaults() -> None:
    assert settle(config.Settings, config.PREFIX, {"node": "n1"}, {}) == config.Settings(node="n1")
