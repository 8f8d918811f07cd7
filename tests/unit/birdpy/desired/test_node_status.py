"""What a CalicoNodeStatus is filled with."""

from birdpy.desired.node_status import MOST_ROUTES, Seen, node_status
from felixpy.model.status import GatewayStatus, PeersStatus, PeerStatus, RibEntry, RibPath


def peer(name: str, address: str, kind: str, state: str = "established") -> PeerStatus:
    return PeerStatus(
        name=name, address=address, type=kind, asn=64512, local_as=64512, state=state, since=1_800_000_000.5
    )  # fmt: skip


def path(source: str = "bgp", session: str = "", peer: str | None = None, **fields: object) -> RibPath:
    known = {"next_hop": peer, "as_path": (), "origin": "igp", **fields}
    return RibPath(source=source, session=session, peer=peer, **known)  # type: ignore[arg-type]


PEERS = PeersStatus(
    node="n1", router_id="10.0.0.1", local_as=64512,
    peers=(
        peer("Mesh_10_0_0_2", "10.0.0.2", "mesh"), peer("Global_10_0_0_9", "10.0.0.9", "global", "held-down"),
        peer("Node_fd00__9", "fd00::9", "node", "connect"), peer("Local_Workload_10_65_0_2", "10.65.0.2", "local"),
    ),
)  # fmt: skip
RIB = (
    RibEntry(
        prefix="10.65.1.0/26", decided_by="shorter AS path", installed=True,
        gateways=(GatewayStatus(via="172.20.0.2", device="eth1"),),
        paths=(
            path(session="Mesh_10_0_0_2", peer="10.0.0.2", best=True),
            path(session="Global_10_0_0_9", peer="10.0.0.9"),
            path(session="Global_10_0_0_9", peer="10.0.0.8", accepted=False),
        ),
    ),
    RibEntry(prefix="10.65.0.0/26", decided_by="only path", installed=True, paths=(path("local", best=True),)),
    RibEntry(prefix="fd65::/122", decided_by="only path", installed=True, paths=(path("static", best=True),)),
)  # fmt: skip
SEEN = Seen("1.0", {4}, 1_800_000_000.0, 1_800_000_060.0, PEERS, RIB)
ALL = ("Agent", "BGP", "Routes")


def test_the_agent_is_ready_in_the_families_in_which_it_speaks() -> None:
    status = node_status(ALL, SEEN, 1_800_000_100.9)
    assert status["lastUpdated"] == "2027-01-15T08:01:40Z"
    assert status["agent"] == {
        "birdV4": {
            "state": "Ready", "version": "birdpy 1.0", "routerID": "10.0.0.1",
            "lastBootTime": "2027-01-15T08:00:00Z", "lastReconfigurationTime": "2027-01-15T08:01:00Z",
        },
        "birdV6": {"state": "NotReady"},
    }  # fmt: skip


def test_sessions_are_named_and_counted_as_calico_does_without_local_workloads() -> None:
    since = "2027-01-15T08:00:00Z"
    assert node_status(ALL, SEEN, 0)["bgp"] == {
        "numberEstablishedV4": 1, "numberNotEstablishedV4": 1, "numberEstablishedV6": 0, "numberNotEstablishedV6": 1,
        "peersV4": [
            {"peerIP": "10.0.0.2", "type": "NodeMesh", "state": "Established", "since": since},
            {"peerIP": "10.0.0.9", "type": "GlobalPeer", "state": "Idle", "since": since},
        ],
        "peersV6": [{"peerIP": "fd00::9", "type": "NodePeer", "state": "Connect", "since": since}],
    }  # fmt: skip


def test_the_best_path_is_the_fibs_and_an_own_block_leads_nowhere() -> None:
    assert node_status(ALL, SEEN, 0)["routes"] == {
        "routesV4": [
            {"type": "FIB", "destination": "10.65.1.0/26", "gateway": "172.20.0.2", "interface": "eth1",
             "learnedFrom": {"sourceType": "NodeMesh", "peerIP": "10.0.0.2"}},
            {"type": "FIB", "destination": "10.65.0.0/26", "gateway": "N/A", "interface": "blackhole",
             "learnedFrom": {"sourceType": "Static"}},
            {"type": "RIB", "destination": "10.65.1.0/26", "gateway": "10.0.0.9", "interface": "",
             "learnedFrom": {"sourceType": "BGPPeer", "peerIP": "10.0.0.9"}},
        ],
        "routesV6": [
            {"type": "FIB", "destination": "fd65::/122", "gateway": "N/A", "interface": "blackhole",
             "learnedFrom": {"sourceType": "Static"}},
        ],
    }  # fmt: skip


def test_what_is_not_asked_for_is_taken_away() -> None:
    status = node_status(("BGP",), SEEN, 0)
    assert (status["agent"], status["routes"]) == (None, None) and status["bgp"]


def test_a_large_table_is_cut_so_that_the_object_can_be_stored() -> None:
    ours = (path("local", best=True),)
    names = [f"10.{i // 256}.{i % 256}.0/24" for i in range(MOST_ROUTES + 5)]
    many = tuple(RibEntry(prefix=name, decided_by="", installed=True, paths=ours) for name in names)
    seen = Seen("1.0", {4}, 0, 0, PEERS, many)
    assert len(node_status(("Routes",), seen, 0)["routes"]["routesV4"]) == MOST_ROUTES
