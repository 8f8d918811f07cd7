"""When a node says that pods may come."""

import asyncio
from typing import Any, cast

import pytest

from birdpy.availability import WAIT_S, Standing, is_available, say_available
from felixpy.datastore.memory import MemoryDatastore
from felixpy.model.errors import Unreachable


@pytest.mark.parametrize(
    ("in_sync", "peers", "up", "waited", "available"),
    [
        (False, 0, 0, 1000.0, False),
        (True, 0, 0, 0.0, True),
        (True, 2, 0, WAIT_S - 1, False),
        (True, 2, 1, 0.0, True),
        (True, 2, 0, WAIT_S, True),
    ],
)
def test_it_waits_for_its_configuration_and_a_session_but_not_for_ever(
    in_sync: bool, peers: int, up: int, waited: float, available: bool
) -> None:
    assert is_available(Standing(in_sync, peers, up), waited) is available


class Told:
    """A cluster that does not answer the first time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def network_up(self, node: str) -> bool:
        self.asked.append(node)
        if len(self.asked) == 1:
            raise Unreachable("not now")
        return True

    async def stamp_own(self, node: str) -> tuple[str, ...]:
        return ()


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, **_: Any) -> None:
        self.lines.append(event)

    warning = info


def test_it_is_said_again_when_the_cluster_did_not_hear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("birdpy.availability.RETRY_S", 0.0)
    store, log = Told(), Log()
    asyncio.run(say_available(store, "n1", lambda: Standing(True, 1, 1), cast("Any", log)))
    assert store.asked == ["n1", "n1"]
    assert log.lines == ["network not said to be available", "network said to be available"]


def test_a_store_without_a_cluster_is_not_told() -> None:
    asyncio.run(say_available(MemoryDatastore(), "n1", lambda: Standing(False, 0, 0), cast("Any", Log())))
