"""How a daemon is configured: one frozen dataclass, filled once from flag, else environment, else default.

The same declaration makes `--help`, the README's table and the errors, which name the value and where it came
from. A wrong value ends the start (exit code 2) before anything is touched; there is no reload: restart.
The parser is our own and small, so that a daemon does not carry a command-line library in memory for its life.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from felixpy.model.errors import Usage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a person must know about one setting. `environment` empty: `<PREFIX>_<NAME>`."""

    help: str
    unit: str = ""  # "s", "prefixes", ...: shown in --help
    low: float | None = None  # least and greatest accepted value, both included
    high: float | None = None
    environment: str = ""
    choices: tuple[str, ...] = ()


def setting(default: T, about: Setting) -> T:
    """A dataclass field with its description."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as a command line shows it."""

    name: str  # the field: `resync_s`
    flag: str  # `--resync-s`
    variable: str  # `BIRDPY_RESYNC_S`
    default: Any
    about: Setting

    @property
    def switch(self) -> bool:
        """A flag that takes no value."""
        return isinstance(self.default, bool)


def options(settings: type, prefix: str) -> tuple[Option, ...]:
    """Every setting of the dataclass `settings`, in the order of declaration."""
    found = []
    for item in fields(settings):
        about = item.metadata["about"]
        assert item.default is not MISSING, f"{item.name} has no default"
        variable = about.environment or f"{prefix}_{item.name.upper()}"
        found.append(Option(item.name, "--" + item.name.replace("_", "-"), variable, item.default, about))
    return tuple(found)


def settle(settings: type[T], prefix: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> T:
    """The settings from `flags` (by field name; None: not given), else `environ`, else the defaults.

    Usage when a value is not of its type or outside its range; the message names the value and its origin.
    """
    values: dict[str, Any] = {}
    for option in options(settings, prefix):
        given = flags.get(option.name)
        if given is not None:
            values[option.name] = converted(option, given, f"{option.flag} {given}")
        elif environ.get(option.variable):
            text = environ[option.variable]
            values[option.name] = converted(option, text, f"{option.variable}={text} (environment)")
    return settings(**values)


def parsed(argv: Sequence[str], known: Sequence[Option]) -> dict[str, Any]:
    """Flags by field name from `--flag value`, `--flag=value` and `--switch`; Usage for anything else."""
    by_flag = {option.flag: option for option in known}
    flags: dict[str, Any] = {}
    rest = list(argv)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        option = by_flag.get(word)
        if option is None:
            raise Usage(f"{word} is not an option of this command; see --help")
        if option.switch and not equals:
            flags[option.name] = True
        elif equals or rest:
            flags[option.name] = value if equals else rest.pop(0)
        else:
            raise Usage(f"{word} needs a value")
    return flags


def converted(option: Option, given: Any, origin: str) -> Any:
    """`given` as the type of the option's default."""
    text, about = str(given), option.about
    match option.default:
        case bool():
            words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
            if text.lower() not in words:
                raise Usage(f"{origin}: not one of true, false")
            return words[text.lower()]
        case int() | float():
            return number(option, text, origin)
        case Path():
            return Path(text)
        case _:
            if about.choices and text not in about.choices:
                raise Usage(f"{origin}: not one of {', '.join(about.choices)}")
            return text


def number(option: Option, text: str, origin: str) -> float:
    """`text` as a number of the option's kind, inside its range."""
    kind: type[int] | type[float] = int if isinstance(option.default, int) else float
    try:
        value = kind(text)
    except ValueError:
        raise Usage(f"{origin}: not {'a whole number' if kind is int else 'a number'}") from None
    low, high = option.about.low, option.about.high
    if (low is not None and value < low) or (high is not None and not value <= high):
        raise Usage(f"{origin}: outside {low if low is not None else '-∞'}..{high if high is not None else '∞'}")
    return value


def described(option: Option) -> str:
    """The sentence for `--help` and for the README: what, unit, range, default, environment."""
    about = option.about
    low = "" if about.low is None else f"{about.low:.12g}"
    high = "" if about.high is None else f"{about.high:.12g}"
    parts = [f"in {about.unit}"] if about.unit else []
    if low or high:
        parts.append(f"{low}..{high}")
    if about.choices:
        parts.append(" | ".join(about.choices))
    if not option.switch and option.default not in ("", None):
        parts.append(f"default {option.default}")
    parts.append(f"env {option.variable}")
    return f"{about.help} ({'; '.join(parts)})"


def from_command_line(settings: type[T], prefix: str, argv: Sequence[str]) -> T:
    """The settings of a daemon that was started with `argv` in this process's environment."""
    return settle(settings, prefix, parsed(argv, options(settings, prefix)), os.environ)
