"""Fixtures: the machine, and an image that every runtime can load."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.images import busybox
from tests.runtimes.host import Host, host, missing


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A machine with felixpy on it, for the tests of one file."""
    if reason := missing("iptables"):
        pytest.skip(reason)
    with host(tmp_path_factory.mktemp("host")) as made:
        yield made


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """busybox as a docker-archive."""
    return busybox().write(tmp_path_factory.mktemp("image") / "busybox.tar")
