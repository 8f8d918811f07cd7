"""One thing that is wrong with a resource. Pure."""

from collections.abc import Iterator
from typing import NamedTuple


class Problem(NamedTuple):
    """The path of the field inside the spec (`peerIP`, `exportV4[0].cidr`), and the reason with its fix."""

    field: str
    reason: str


def outside(field: str, value: float, low: int, high: int, unit: str = "") -> Iterator[Problem]:
    """A problem when `value` is not in `low..high`, both included."""
    if not low <= value <= high:
        wanted = f"{low}..{high}" if low != high else f"exactly {low}"
        yield Problem(field, f"{value:g}{' ' * bool(unit)}{unit} must be {wanted}")
