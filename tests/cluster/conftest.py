"""One cluster at a time for all tests here: IPv4 first, then dual stack; what proves the whole run comes last."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.cluster import binaries
from tests.cluster.cluster import Plan, left_over
from tests.cluster.ground import Ground

PLANS = {"ipv4": Plan(nodes=3), "dual": Plan(nodes=2, dual_stack=True)}
LAST = ("test_rights", "test_uninstall", "test_dual_stack")


@dataclass(slots=True)
class Stage:
    """The cluster that stands at the moment."""

    standing: dict[str, Ground] = field(default_factory=dict)

    def show(self, name: str) -> Ground:
        """The cluster of that plan; another one goes first."""
        if name not in self.standing:
            self.clear()
            self.standing[name] = Ground.prepare(PLANS[name])
        return self.standing[name]

    def clear(self) -> None:
        """Take down what stands."""
        for name in list(self.standing):
            self.standing.pop(name).cluster.down()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    if reason := binaries.missing_for_cluster():
        pytest.skip(reason)
    for one in left_over():
        one.down()
    made = Stage()
    try:
        yield made
    finally:
        made.clear()


@pytest.fixture
def ground(stage: Stage) -> Ground:
    """The IPv4 cluster of three nodes; a test leaves it as it was."""
    return stage.show("ipv4")


@pytest.fixture
def dual(stage: Stage) -> Ground:
    """The dual-stack cluster of two nodes."""
    return stage.show("dual")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Our tests come after all others, one of which makes the image, and LAST after the rest of ours."""

    def rank(item: pytest.Item) -> int:
        if "tests/cluster/" not in item.path.as_posix():
            return 0
        return LAST.index(item.path.stem) + 2 if item.path.stem in LAST else 1

    items.sort(key=rank)
