"""What the CNI server has answered: how long each command took, and what it refused. For metrics."""

from collections import Counter
from dataclasses import dataclass, field

from felixpy.model.metrics import Histogram

COMMANDS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")


@dataclass(slots=True)
class Calls:
    """Counts since the agent's start. A command that is none counts as `other`: callers do not make our labels."""

    took: dict[str, Histogram] = field(default_factory=dict)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)  # command and error code (CNI specification)

    def ended(self, command: str, seconds: float) -> None:
        """A call was answered, one way or the other."""
        self.took.setdefault(_known(command), Histogram()).observe(seconds)

    def failed(self, command: str, code: int) -> None:
        """A call was answered with an error."""
        self.refused[_known(command), str(code)] += 1


def _known(command: str) -> str:
    return command if command in COMMANDS else "other"
