"""Fixtures of the tests against a real kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.namespaces import Namespace, netns
from tests.netns.fabric import Fabric

__all__ = ["fabric", "netns"]


@pytest.fixture
def fabric(netns: Namespace, tmp_path: Path) -> Iterator[Fabric]:
    """An empty fabric; every router in it is ended."""
    made = Fabric(netns, tmp_path)
    try:
        yield made
    finally:
        made.close()
