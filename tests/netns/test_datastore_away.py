"""A router that starts while the datastore is away: what it knew is on disk, and its peers do not miss it."""

from pathlib import Path

import pytest

from felixpy.model.resources import BGPConfiguration, Metadata, Resource
from felixpy.model.resources.base import Duration
from tests.netns.fabric import Fabric, Machine, eventually, lost, lost_of, watched
from tests.netns.test_router import learned

pytestmark = pytest.mark.root

RESTART_S = 25  # the mesh's; End-of-RIB is due ten seconds earlier


def impatient(fabric: Fabric) -> tuple[Machine, Machine]:
    """Two converged nodes that keep each other's routes for RESTART_S, with all that n1 knows on disk."""
    fabric.change(Resource(Metadata("default"), BGPConfiguration(node_mesh_max_restart_time=Duration(RESTART_S))))
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    eventually(lambda: learned(2).items() <= n1.routes().items() and learned(1).items() <= n2.routes().items(), 60)
    shelf = n1.folder / "state" / "known-to-birdpy"
    eventually(lambda: "10.65.1.0/26" in told(shelf / "blockaffinities.json"))
    return n1, n2


def told(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def hide(fabric: Fabric) -> Path:
    """The store is away for everybody; where it is meanwhile."""
    return (fabric.folder / "store").rename(fabric.folder / "elsewhere")


def show(fabric: Fabric) -> None:
    """The store is back."""
    (fabric.folder / "elsewhere").rename(fabric.folder / "store")


def test_a_router_killed_while_the_store_is_away_is_missed_by_nobody(fabric: Fabric) -> None:
    n1, n2 = impatient(fabric)
    before = n1.routes()
    with watched(n1) as here, watched(n2) as there:
        hide(fabric)
        pings = lost(n2, "10.65.2.1", "10.65.1.1", (RESTART_S + 5) * 100)
        n1.kill()
        n1.start()
        eventually(lambda: n1.up("172.20.0.2") and n1.up("fd20::2"), 60)
        assert lost_of(pings) == 0
        assert learned(1).items() <= n2.routes().items()
        show(fabric)
        eventually(lambda: n1.ask("health")["ready"], 60)
    assert (here, there) == ([], [])
    assert n1.routes() == before


def test_without_what_is_on_disk_the_peers_drop_its_routes(fabric: Fabric) -> None:
    """The control of the test above."""
    n1, n2 = impatient(fabric)
    hide(fabric)
    n1.kill()
    for path in (n1.folder / "state" / "known-to-birdpy").iterdir():
        path.unlink()
    n1.start()
    eventually(lambda: not learned(1).keys() & n2.routes().keys(), RESTART_S + 15)
    assert learned(2).items() <= n1.routes().items(), "the kernel keeps what it has"


def test_a_block_whose_blackhole_is_gone_is_not_announced_on_an_earlier_times_word(fabric: Fabric) -> None:
    n1, n2 = impatient(fabric)
    hide(fabric)
    n1.kill()
    n1.namespace.run("ip", "route", "del", "blackhole", "10.65.1.0/26", "proto", "bird", "metric", "1024")
    n1.start()
    eventually(lambda: "10.65.1.0/26" not in n2.routes(), RESTART_S + 15)
    assert "it is not announced until the datastore is back" in n1.log()
    assert "10.65.1.0/26" not in n1.routes() and "fd65::100/122" in n2.routes()
    show(fabric)
    eventually(lambda: learned(1).items() <= n2.routes().items(), 60)
