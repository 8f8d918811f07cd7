"""Export here and in a BIRD configured as Calico does it: the same routes leave, with the same attributes.

The BIRD in the middle is a node and route reflector at 10.0.1.N: two own blocks, a service range, routes from four
peers. Another BIRD plays all these peers, one table each, and what is in a table is what that peer was told.
"""

import random
import re
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path as File
from typing import Any

import pytest

from birdpy.policy.exports import Announced, ExportRules, judge
from birdpy.policy.session import Session
from birdpy.rib.path import NORMAL_LOCAL_PREF, Path
from birdpy.rib.prefixes import PrefixMap
from tests.speakers import Bird, bird, eventually, needs, needs_root, network
from tests.unit.birdpy.builders import attributes, external, path, session, speaker

BLOCKS = ("10.65.0.0/26", "10.65.1.0/26")
SERVICES, SILENT, POOL, TAGGED = "10.96.0.0/16", "10.66.0.0/16", "10.65.0.0/16", "10.65.0.0/17"
ROUTES = 60  # of each peer
NO_EXPORT, NO_ADVERTISE = (65535, 65281), (65535, 65282)


def internal(number: int, *, client: bool) -> Session:
    cluster = ip_address("9.9.9.9") if client else None
    return session(
        f"10.0.0.{number}",
        source_address=ip_address(f"10.0.1.{number}"),
        route_reflector_client=client,
        cluster_id=cluster,
    )


PEERS: dict[int, Session] = {
    2: internal(2, client=False),
    3: internal(3, client=True),
    4: external("10.0.0.4", 65001, source_address=ip_address("10.0.1.4")),
    5: external("10.0.0.5", 65002, source_address=ip_address("10.0.1.5")),
    6: internal(6, client=True),
}
RULES = ExportRules(
    speaker(*PEERS.values(), cluster_id=ip_address("9.9.9.9")),
    blocks=PrefixMap({ip_network(block): block for block in BLOCKS}),
    pools=PrefixMap({ip_network(POOL): "pods"}),
    silent_pools=PrefixMap({ip_network(SILENT): "silent"}),
    services=PrefixMap({ip_network(SERVICES): SERVICES}),
    communities=PrefixMap({ip_network(TAGGED): ((65000, 9),)}),
)
NODE = """
router id 10.0.0.1;
log stderr all;
protocol device {{}}
protocol static own {{ ipv4; {own} }}
filter calico {{
  if (source != RTS_BGP) then bgp_local_pref = 2147483647 - 1024;
  if (net ~ {silent}) then reject;
  if (net ~ {tagged}) then bgp_community.add((65000, 9));
  {aggregates}
  if (net ~ {services}) then accept;
  if (net ~ {pool}) then accept;
  reject;
}}
template bgp calico_peer {{
  multihop; strict bind yes; connect delay time 1; connect retry time 1;
  ipv4 {{ import all; export filter calico; gateway recursive; }};
}}
{sessions}
"""
PEER = """
ipv4 table t{n};
protocol static s{n} {{ ipv4 {{ table t{n}; }}; {routes} }}
protocol bgp p{n} {{
  router id 10.0.0.{n}; local 10.0.0.{n} as {asn}; neighbor 10.0.1.{n} as 64512; multihop; strict bind yes;
  connect delay time 1; connect retry time 1; interpret communities off;
  ipv4 {{ table t{n}; import all; export where source = RTS_STATIC; next hop self; }};
}}
"""


@dataclass(frozen=True)
class Told:
    """What a peer hears of one prefix."""

    next_hop: str
    as_path: tuple[int, ...]
    local_pref: int | None
    med: int | None
    communities: frozenset[tuple[int, ...]]
    originator: str
    clusters: tuple[str, ...]


def given(dice: random.Random) -> dict[int, list[Path]]:
    """What each peer tells the node; no prefix twice."""
    found: dict[int, list[Path]] = {number: [] for number in PEERS}
    taken = {ip_network(block) for block in BLOCKS}
    for number, over in PEERS.items():
        while len(found[number]) < ROUTES:
            length = dice.choice((24, 26, 26, 28, 32, 32))
            start = dice.choice((0x0A410000, 0x0A410000, 0x0A418000, 0x0A420000, 0x0A600000, 0x14000000))
            prefix = ip_network(
                (start + dice.randrange(dice.choice((0x80, 0x4000))) >> (32 - length) << (32 - length), length)
            )
            if prefix not in taken:
                taken.add(prefix)
                found[number].append(a_path(dice, str(prefix), over))
    return found


def a_path(dice: random.Random, prefix: str, over: Session) -> Path:
    as_path = [dice.choice((1, 2, 3)) for _ in range(dice.randrange(3))]
    told = attributes(
        *([65001 if over.peer_as == 65001 else 65002] if over.external else []), *as_path,
        local_pref=None if over.external else dice.choice((100, NORMAL_LOCAL_PREF, 2147483135)),
        med=None if over.external else dice.choice((None, 7)),  # a BIRD does not pass a route's own MED outside
        communities=frozenset(dice.sample(((65000, 1), NO_EXPORT, NO_ADVERTISE), dice.choice((0, 0, 0, 1, 1, 2)))),
    )  # fmt: skip
    sender = str(over.address)
    return path(
        prefix, sender, attributes=told, session=over.name, peer=over.address, peer_id=int(over.address),
        external=over.external,
    )  # fmt: skip


def static(one: Path) -> str:
    """The route as its sender has it, before its own AS is prepended."""
    told = one.attributes
    words = [f"bgp_path.prepend({int(asn)});" for asn in reversed(told.as_path[int(one.external) :])]
    words += [f"bgp_community.add(({high},{low}));" for high, low in sorted(told.communities)]
    words += [f"bgp_local_pref = {told.local_pref};"] if told.local_pref is not None else []
    words += [f"bgp_med = {told.med};"] if told.med is not None else []
    return f"route {one.prefix} blackhole {{ {' '.join(words)} }};\n"


def node_config() -> str:
    sessions = "".join(
        f"protocol bgp p{number} from calico_peer {{ local 10.0.1.{number} as 64512;"
        f" neighbor {over.address} as {int(over.peer_as)};"
        f"{' rr client; rr cluster id 9.9.9.9;' if over.route_reflector_client else ''} }}\n"
        for number, over in PEERS.items()
    )
    aggregates = "\n".join(
        f"if (net = {block}) then accept;\n"
        f"if (net ~ {block} && bgp_local_pref > 2147483647 - 1024) then accept;  # elevated: a pod that moves\n"
        f"if (net ~ {block}) then reject;"
        for block in BLOCKS
    )
    own = " ".join(f"route {prefix} blackhole;" for prefix in (*BLOCKS, SERVICES))
    return NODE.format(
        own=own, silent=SILENT, tagged=TAGGED, aggregates=aggregates, services=SERVICES, pool=POOL, sessions=sessions
    )


def peers_config(told: dict[int, list[Path]]) -> str:
    parts = [
        PEER.format(n=number, asn=int(over.peer_as), routes="".join(map(static, told[number])))
        for number, over in PEERS.items()
    ]
    return "router id 10.0.0.2;\nlog stderr all;\nprotocol device {}\n" + "".join(parts)


def ours(told: dict[int, list[Path]], number: int, rules: ExportRules) -> dict[str, Told]:
    """What peer `number` should hear, by our rules."""
    local: dict[str, Any] = {"session": "", "peer": None, "peer_id": 0}
    own = [path(block, None, source="local", **local) for block in BLOCKS]
    own.append(path(SERVICES, None, source="static", **local))
    found = {}
    for one in (*own, *(each for paths in told.values() for each in paths)):
        verdict = judge(one, PEERS[number], rules)
        if isinstance(verdict, Announced):
            sent = verdict.attributes
            found[str(one.prefix)] = Told(
                str(verdict.next_hop), tuple(map(int, sent.as_path)), sent.local_pref, sent.med,
                frozenset(sent.communities), str(sent.originator_id or ""), tuple(map(str, sent.cluster_list)),
            )  # fmt: skip
    return found


def theirs(peers: Bird, number: int) -> dict[str, Told]:
    """What peer `number` has heard, by its BIRD."""
    text = peers.ask("show", "route", "all", "table", f"t{number}", "protocol", f"p{number}")
    outside = PEERS[number].external  # BIRD shows its own default for what did not come
    found = {}
    for part in re.split(r"\n(?=\d)", text):
        start = re.match(r"(\d+\.\d+\.\d+\.\d+/\d+)\s", part)
        if start is None:
            continue
        said = {name: value.strip() for name, value in re.findall(r"BGP\.(\w+):(.*)", part)}
        pairs = re.findall(r"\((\d+),(\d+)\)", said.get("community", ""))
        found[start[1]] = Told(
            said["next_hop"].split()[0],
            tuple(map(int, said.get("as_path", "").split())),
            None if outside else int(said["local_pref"]),
            int(said["med"]) if "med" in said else None,
            frozenset((int(high), int(low)) for high, low in pairs),
            said.get("originator_id", ""),
            tuple(said.get("cluster_list", "").split()),
        )
    return found


@needs_root
@needs("bird")
@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_leaves_and_with_the_same_attributes(tmp_path: File, seed: int) -> None:
    told = given(random.Random(seed))
    addresses = [f"10.0.{side}.{n}/32" for side in (0, 1) for n in range(1, 7)]
    with (
        network(*addresses),
        bird(tmp_path / "node", node_config()) as node,
        bird(tmp_path / "peers", peers_config(told)) as peers,
    ):
        eventually(lambda: all(node.is_up(f"p{number}") for number in PEERS), 20)
        wanted = {number: ours(told, number, RULES) for number in PEERS}
        eventually(lambda: all(len(theirs(peers, number)) == len(wanted[number]) for number in PEERS), 20)
        for number in PEERS:
            assert theirs(peers, number) == wanted[number], number
        assert all(30 < len(heard) < 5 * ROUTES - 30 for heard in wanted.values())  # both are there
        other = replace(RULES, communities=PrefixMap())  # negative control: a rule less is seen
        assert any(theirs(peers, number) != ours(told, number, other) for number in PEERS)
