"""What import policy said about a path, kept beside it: nouns of rib/table. Pure."""

import msgspec

from birdpy.rib.path import Path


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A path that may be chosen, as policy left it, and the rule that let it in."""

    path: Path
    rule: str
    received: Path  # as the peer sent it: what a changed filter judges again


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A path that is kept to be shown, never chosen. `reason` is one of a few stable names, `detail` the case."""

    received: Path
    reason: str
    detail: str = ""

    @property
    def text(self) -> str:
        """`inside a connected subnet (172.20.0.0/24 on this node)`."""
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Verdict = Accepted | Rejected

__all__ = ["Accepted", "Rejected", "Verdict"]
