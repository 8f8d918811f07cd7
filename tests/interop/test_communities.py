"""Communities that mean something everywhere, from a real BIRD to another one and into the kernel."""

from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPFilter, BGPFilterRule, BGPPeer
from felixpy.model.resources.bgp import Communities
from tests.interop.neighbours import soon
from tests.netns.fabric import Fabric
from tests.speakers import bird, needs

pytestmark = pytest.mark.root

BLACKHOLE, PLAIN, NOT_OUTSIDE, TO_NOBODY, LEAVING = (f"10.65.{90 + n}.0/26" for n in range(5))
GIVER = f"""
router id 172.20.0.9;
log stderr all;
protocol device {{}}
protocol static s4 {{ ipv4;
  route {BLACKHOLE} blackhole {{ bgp_community.add((65535, 666)); }};
  route {PLAIN} blackhole;
  route {NOT_OUTSIDE} blackhole {{ bgp_community.add((65535, 65281)); }};
  route {TO_NOBODY} blackhole {{ bgp_community.add((65535, 65282)); }};
  route {LEAVING} blackhole {{ bgp_community.add((65535, 0)); }};
}}
protocol bgp n1 {{
  local 172.20.0.9 as 65009; neighbor 172.20.0.1 as 64512; multihop; connect delay time 1; connect retry time 1;
  interpret communities off; ipv4 {{ import none; export all; next hop self; }};
}}
"""
OTHER = """
router id 172.20.0.8;
log stderr all;
protocol device {}
protocol bgp n1 {
  local 172.20.0.8 as 65008; neighbor 172.20.0.1 as 64512; multihop; connect delay time 1; connect retry time 1;
  interpret communities off; ipv4 { import all; export none; };
}
"""


@needs("bird")
@pytest.mark.parametrize("named", [True, False])
def test_well_known_communities_do_what_they_say_and_blackhole_only_where_a_filter_says_so(
    fabric: Fabric, tmp_path: Path, named: bool
) -> None:
    n1 = fabric.node("n1", 1)
    rule = BGPFilterRule(action="Accept", communities=Communities(values=("65535:666",)) if named else None)
    fabric.put(drop=BGPFilter(import_v4=(rule,)))
    fabric.put(
        giver=BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009), filters=("drop",)),
        other=BGPPeer(node="n1", peer_ip="172.20.0.8", as_number=Asn(65008)),
    )
    n1.start()
    way = "via 172.20.0.9 dev eth1 proto bird"
    with (
        fabric.beside(9),
        bird(tmp_path / "giver", GIVER),
        fabric.beside(8),
        bird(tmp_path / "other", OTHER) as other,
    ):
        soon(lambda: n1.routes().get(PLAIN) == way)
        assert n1.routes()[BLACKHOLE] == ("blackhole proto bird" if named else way)
        soon(lambda: other.route(PLAIN))
        soon(lambda: other.route(LEAVING))
        assert "(65535,0)" in other.route(LEAVING)
        assert not other.route(NOT_OUTSIDE)
        assert not other.route(TO_NOBODY)
        (path,) = n1.paths(LEAVING)
        assert path["local_pref"] == 0
        assert n1.routes()[NOT_OUTSIDE] == n1.routes()[TO_NOBODY] == way
