"""One thing that is wrong with a resource. Pure."""

from typing import NamedTuple


class Problem(NamedTuple):
    """The path of the field inside the spec (`peerIP`, `exportV4[0].cidr`), and the reason with its fix."""

    field: str
    reason: str
