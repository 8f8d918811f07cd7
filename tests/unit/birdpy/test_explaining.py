"""What `birdpy explain` names as the reason."""

import pytest

from birdpy.explaining import stopping
from felixpy.model.status import ExplainStep


def steps(*told: str) -> list[ExplainStep]:
    """`import-` is a step that failed, `import` one that passed."""
    return [
        ExplainStep(station=one.rstrip("-"), passed=not one.endswith("-"), text=f"t{i}") for i, one in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("told", "stopped"),
    [
        (("source", "import", "next hop", "best path", "kernel", "export"), ""),
        (("source", "import", "source", "import-", "next hop", "best path", "kernel"), ""),
        (("source", "import", "source", "import-", "next hop-", "best path-"), "next hop: t4"),
        (("source", "import-", "best path-"), "import: t1"),
        (("block", "session-", "source-"), "session: t1"),
        (("source", "import", "next hop", "best path", "kernel-"), "kernel: t4"),
        (("source", "import", "next hop-", "source", "import", "next hop", "best path", "kernel"), ""),
    ],
)
def test_the_reason_is_the_first_that_kept_the_prefix_out(told: tuple[str, ...], stopped: str) -> None:
    assert stopping(steps(*told)) == stopped
