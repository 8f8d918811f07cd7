"""What a change would do, on clusters on paper."""

from collections import Counter
from typing import Any

from birdpy.desired.comparison import comparison
from birdpy.desired.document import document
from felixpy.insight.plan.plan import plan
from felixpy.insight.plan.rows import Plan
from felixpy.model.resources import BGPPeer, BlockAffinity, IPPool, Node
from felixpy.model.snapshot import Snapshot
from tests.plan_world import address, block, books, cluster, gone, put, reflected, reflector
from tests.unit.birdpy.builders import affinity, bgp_filter, configuration, peer, pool


def effects(made: Plan) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in made.sessions:
        found[row.effect] += row.count
    return found


def dangers(made: Plan) -> set[str]:
    return {it.danger for it in made.dangers}


def test_nothing_changed_is_nothing_to_do() -> None:
    made = plan(cluster(3), cluster(3))
    assert (made.empty, made.sessions, made.routes, made.dangers) == (True, [], [], [])


def test_from_mesh_to_reflector_the_clients_sessions_end_and_no_kernel_route_changes() -> None:
    before = cluster(4)
    made = plan(before, reflected(before, "n0"))
    assert effects(made) == {"ends": 6, "soft refresh": 3, "live": 3}
    assert (made.routes, dangers(made)) == ([], set())
    ending = next(it for it in made.sessions if it.effect == "ends")
    assert ending.why == ["bgpconfiguration/default spec.nodeToNodeMeshEnabled"]


def test_at_the_worst_moment_the_mesh_is_gone_and_nobody_reflects_yet() -> None:
    before = cluster(4)
    worst = plan(before, reflected(before, "n0")).worst
    assert (worst.sessions_down, worst.lost) == (6, 6)  # each client loses the two others


def test_in_two_steps_no_route_is_without_a_path_at_any_moment() -> None:
    mesh = cluster(4)
    both, after = reflected(mesh, "n0", mesh=True), reflected(mesh, "n0")
    # While the mesh is on reflectors have no part in it, so what was the mesh's takes another name and stays.
    assert [it.worst.lost for it in (plan(mesh, both), plan(both, after))] == [0, 0]


def test_what_it_says_of_sessions_is_what_birdpy_config_says() -> None:
    before = cluster(5, peer("tor", peer_ip="172.20.255.1", as_number=65000))
    after = put(reflected(before, "n0", "n1"), peer("tor", peer_ip="172.20.255.1", as_number=65001))
    made = plan(before, after)
    for name in before.of(Node):
        told = comparison(document(before, name)[0], document(after, name)[0])
        wanted = {it.address: it.effect for it in told.sessions}
        planned = {it.address: it for it in made.sessions if it.node == name}
        assert planned.keys() >= wanted.keys()
        for at, row in planned.items():  # `birdpy config` shows neither who defined a session nor the cluster id
            hidden = set(row.fields) <= {"name", "defined_by", "cluster_id"}
            assert wanted.get(at) == row.effect or (hidden and row.fields), row


def test_a_filter_that_is_rewritten_refreshes_its_sessions_softly() -> None:
    before = cluster(
        2, peer("tor", peer_ip="172.20.255.1", as_number=65000, filters=("f",)), bgp_filter("f", "export")
    )
    after = put(before, bgp_filter("f", "export", _reject()))
    made = plan(before, after)
    assert effects(made) == {"soft refresh": 2}
    assert {(it.action, it.count) for it in made.announcements} == {("withdrawn", 1)}


def _reject() -> Any:
    from felixpy.model.resources import BGPFilterRule

    return BGPFilterRule(action="Reject")


def test_a_node_that_goes_takes_its_block_out_of_the_others_kernels() -> None:
    before = cluster(3)
    after = gone(before, Node, "n2")
    made = plan(before, after)
    removed = {(it.node, it.prefix) for it in made.routes if it.action == "removed"}
    assert {("n0", block(2)), ("n1", block(2))} <= removed


def test_a_new_block_is_announced_and_installed_everywhere_and_blackholed_at_home() -> None:
    before = cluster(3)
    made = plan(before, put(before, affinity("n0", "10.70.0.0/26")))
    assert {(it.node, it.before, it.after) for it in made.routes} == {
        ("n0", "", "blackhole"),
        ("n1", "", f"via {address(0)}"),
        ("n2", "", f"via {address(0)}"),
    }
    assert {(it.node, it.peer, it.action) for it in made.announcements} == {
        ("n0", "n1", "announced"),
        ("n0", "n2", "announced"),
    }


def test_taking_every_session_is_refused() -> None:
    before = cluster(3)
    made = plan(before, put(before, configuration(node_to_node_mesh_enabled=False)))
    assert dangers(made) == {"last session", "cut"}
    assert {it.subject for it in made.dangers if it.danger == "last session"} == {"node n0", "node n1", "node n2"}


def test_cutting_the_graph_in_two_is_refused_though_every_node_keeps_a_session() -> None:
    mesh = cluster(4)
    pairs = [_between("a", 0, 1), _between("b", 2, 3)]
    after = put(mesh, configuration(node_to_node_mesh_enabled=False), *pairs)
    assert dangers(plan(mesh, after)) == {"cut"}


def _between(name: str, one: int, other: int) -> Any:
    return peer(name, node=f"n{one}", peer_ip=address(other), as_number=64512)


def test_clients_of_a_reflector_that_is_none_are_cut_though_sessions_join_them() -> None:
    before = reflected(cluster(3), "n0")
    old = cluster(3).of(Node)["n0"]
    labelled = reflector(cluster(3), "n0")
    after = put(before, type(old)(labelled.meta, old.spec))
    made = plan(before, after)
    assert {it.reason.split(" any more")[0] for it in made.dangers if it.subject == "node n1"} == {
        f"nobody tells it of {block(2)} of n2"
    }


def test_a_pool_with_addresses_in_use_is_not_taken_away() -> None:
    before = put(cluster(2), books("n1", block(1), used=3))
    for after in (gone(before, IPPool, "pods"), put(before, pool("10.64.0.0/12", "pods", ipip_mode="Always"))):
        made = plan(before, after)
        assert [it.subject for it in made.dangers if it.danger == "stranded addresses"] == [f"block {block(1)}"]
        assert made.pools == ["pods"]
    free = plan(cluster(2), gone(cluster(2), IPPool, "pods"))
    assert "stranded addresses" not in dangers(free)


def test_a_block_of_two_nodes_is_refused_unless_it_has_been_so_before() -> None:
    before = cluster(2)
    twice = put(before, affinity("n0", block(1)))
    assert "two owners" in dangers(plan(before, twice))
    later = put(twice, pool("10.128.0.0/16", "more"))
    assert "two owners" not in dangers(plan(twice, later))


def test_the_values_of_secrets_are_nowhere_in_a_plan() -> None:
    from felixpy.show.output import as_json
    from tests.unit.birdpy.builders import secret

    before = cluster(2, secret("kube-system/bgp", key="old-word"))
    made = as_json(plan(before, put(before, secret("kube-system/bgp", key="new-word"))))
    assert "secret/kube-system/bgp" in made
    assert "word" not in made and "bmV3" not in made


def test_500_nodes_are_counted_and_not_worked_out_one_by_one() -> None:
    before = cluster(500)
    made = plan(before, reflected(before, "n0", "n1"))
    assert effects(made) == {"ends": 498 * 497, "soft refresh": 2 * 499, "live": 2 * 498}
    assert sum(it.count for it in made.announcements if it.action == "withdrawn") == 498 * 497
    assert len(made.notes) == 1  # and none that says that counts are estimates
    assert sorted(len(it.members) for it in made.alike) == [2, 498]


def test_a_node_that_a_peer_names_is_worked_out_for_itself() -> None:
    before = cluster(50)
    made = plan(before, put(before, peer("tor", node="n7", peer_ip="172.20.255.1", as_number=65000)))
    assert [(it.node, it.effect, it.count) for it in made.sessions] == [("n7", "begins", 1)]
    assert [(it.node, it.count) for it in made.announcements if it.prefix == block(7)] == [("n7", 1)]


def test_a_deleted_peer_is_named_as_the_reason() -> None:
    before = cluster(2, peer("tor", peer_ip="172.20.255.1", as_number=65000))
    made = plan(before, gone(before, BGPPeer, "tor"))
    assert {(it.effect, *it.why) for it in made.sessions} == {("ends", "bgppeer/tor deleted")}


def test_a_claim_that_goes_is_gone_from_peers_and_kernels() -> None:
    before = cluster(2)
    name = next(name for name, it in before.of(BlockAffinity).items() if it.spec.node == "n1")
    made = plan(before, gone(before, BlockAffinity, name))
    assert {(it.node, it.before, it.after) for it in made.routes} == {
        ("n1", "blackhole", ""),
        ("n0", f"via {address(1)}", ""),
    }


def totals(made: Plan) -> tuple[object, ...]:
    """What a plan says, in numbers."""
    told, routes, risks = Counter[str](), Counter[tuple[str, str]](), Counter[str]()
    for it in made.announcements:
        told[it.action] += it.count
    for route in made.routes:
        routes[route.kind, route.action] += route.count
    for danger in made.dangers:
        risks[danger.danger] += danger.count
    return effects(made), told, routes, risks, made.worst.lost, made.worst.sessions_down


def changes(before: Snapshot) -> dict[str, Snapshot]:
    count = len(before.of(Node))
    return {
        "reflector": reflected(before, "n0"),
        "reflectors": reflected(before, "n0", "n1"),
        "both": reflected(before, "n0", mesh=True),
        "no mesh": put(before, configuration(node_to_node_mesh_enabled=False)),
        "another AS": put(before, configuration(as_number=65001)),
        "a node less": gone(before, Node, f"n{count - 1}"),
        "no pool": gone(before, IPPool, "pods"),
        "a peer": put(before, peer("tor", peer_ip="172.20.255.1", as_number=65000)),
        "a peer of one": put(before, peer("tor", node="n3", peer_ip="172.20.255.1", as_number=65000)),
        "a block": put(before, affinity("n2", "10.70.0.0/26")),
        "silent": put(before, pool("10.64.0.0/12", "pods", disable_bgp_export=True)),
        "silent half": put(before, pool("10.64.0.0/12", "pods", disable_bgp_export=True), books("n1", block(1), 2)),
    }


def test_classes_of_nodes_say_what_working_out_each_node_says() -> None:
    before = cluster(9)
    for name, after in changes(before).items():
        by_class = plan(before, after, small=0)
        assert totals(by_class) == totals(plan(before, after)), name
        assert len(by_class.notes) == 1, name
        assert by_class.alike, name
