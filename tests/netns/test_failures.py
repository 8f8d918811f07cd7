"""Two uplinks, 1,000 routes over both: what a failed link, neighbour or session takes along."""

from pathlib import Path

import pytest

from tests.bench.failures import Site, Witness, flow_over, site
from tests.bench.table import Bench
from tests.netns.fabric import eventually, lost, lost_of
from tests.speakers import needs

pytestmark = [pytest.mark.root, needs("bird")]


def set_link(made: Site, state: str, *, carrier: bool) -> None:
    """The second uplink up or down: at the far end of its cable, or by the administrator."""
    if carrier:
        made.fabric.ground.run("ip", "link", "set", "n9", state)
    else:
        made.node.namespace.run("ip", "link", "set", "up9", state)


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "by nexthop objects"])
def test_a_link_that_goes_down_takes_its_paths_and_brings_them_back(tmp_path: Path, shared: bool) -> None:
    with site(Bench(quick=True, scratch=tmp_path), shared=shared) as made:
        target = flow_over(made, 9)
        pings = lost(made.node, "10.65.1.1", target, 200)
        set_link(made, "down", carrier=True)
        assert lost_of(pings) < 20, "the kernel itself goes over to the other uplink"
        for carrier in (True, False):
            set_link(made, "down", carrier=carrier)
            eventually(lambda: made.through(9) == 0, 60)
            assert made.through(8) == made.count
            set_link(made, "up", carrier=carrier)
            made.wait(9)


@pytest.mark.parametrize("graceful", [True, False])
def test_a_killed_peer_moves_nothing_if_it_restarts_gracefully(tmp_path: Path, graceful: bool) -> None:
    with site(Bench(quick=True, scratch=tmp_path), shared=False, graceful=graceful) as made:
        witness = Witness(made.node.namespace)
        with witness.listening():
            made.birds[9].process.kill()
            eventually(lambda: not made.node.up("172.21.0.9"))
            if not graceful:  # the control
                eventually(lambda: made.through(9) == 0)
        assert witness.routes == (0 if graceful else made.count)
