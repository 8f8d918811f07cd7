"""The doctor's checks that no lab can show red, and that none speaks of a network in order."""

from dataclasses import replace

import msgspec

from felixpy.insight.doctor.examine import findings
from felixpy.insight.view import NetworkView
from felixpy.model.facts import NeighbourFact
from felixpy.model.status import Condition, HealthStatus
from felixpy.model.system import ProcessFact, SystemFacts
from tests.network_view import segment

NOW = 2000.0
SYSTEM = SystemFacts(node="n0", taken=NOW, kernel="6.1.0-amd64", chains=())
HEALTH = HealthStatus(
    daemon="felixpy", node="n0", version="1.0", pid=1, started=0.0, datastore="files:/x", datastore_reachable=True,
    in_sync=True, ready=True, live=True, last_pass=NOW, passes=1, keys={},
)  # fmt: skip


def look(view: NetworkView) -> list[tuple[str, str, str]]:
    graceful = {"graceful-restart"}  # peers on paper offer none
    return [(it.check, it.node, it.text) for it in findings(view, NOW) if it.check not in graceful]


def with_node(view: NetworkView, name: str, **fields: object) -> NetworkView:
    return NetworkView({**view.nodes, name: replace(view.nodes[name], **fields)}, view.snapshot)  # type: ignore[arg-type]


def healthy() -> NetworkView:
    view = segment(2)
    for name in view.nodes:
        view = with_node(view, name, system=SYSTEM, health={"felixpy": HEALTH})
    return view


def test_a_network_in_order_gives_no_finding() -> None:
    left_out = {"rp-filter-pods"}  # the sysctls of pods' interfaces are not on this paper
    assert [it for it in look(healthy()) if it[0] not in left_out] == []


def test_a_clock_that_is_an_hour_off_is_named_at_its_node() -> None:
    view = with_node(healthy(), "n1", system=msgspec.structs.replace(SYSTEM, taken=NOW + 3600))
    assert ("clocks", "n1", "its clock is +3600 s from here") in look(view)


def test_a_slow_answer_is_no_slow_clock() -> None:
    late = msgspec.structs.replace(SYSTEM, taken=NOW - 30)
    view = with_node(healthy(), "n1", system=late, asked=(NOW - 40, NOW - 20))
    assert "clocks" not in {check for check, _, _ in look(view)}
    view = with_node(healthy(), "n1", system=late, asked=(NOW - 20, NOW - 10))
    assert ("clocks", "n1", "its clock is -10 s from here") in look(view)


def test_daemons_of_two_versions_are_named_together() -> None:
    view = with_node(healthy(), "n1", health={"felixpy": msgspec.structs.replace(HEALTH, version="1.1")})
    assert ("versions", "", "daemons of several versions run: 1.0, 1.1") in look(view)


def test_two_nodes_with_one_router_id_are_named_together() -> None:
    view = healthy()
    peers = view.nodes["n1"].peers
    assert peers is not None
    view = with_node(view, "n1", peers=msgspec.structs.replace(peers, router_id="172.20.0.0"))
    (found,) = [it for it in look(view) if it[0] == "router-ids"]
    assert "n0 and n1 have one router id, 172.20.0.0" in found[2]


def test_an_old_kernel_is_a_note_with_what_it_cannot_do() -> None:
    view = with_node(healthy(), "n0", system=msgspec.structs.replace(SYSTEM, kernel="5.10.0-21-amd64"))
    assert [it[:2] for it in look(view) if it[0] == "kernel"] == [("kernel", "n0")]
    odd = with_node(healthy(), "n0", system=msgspec.structs.replace(SYSTEM, kernel="mine"))
    assert [it for it in look(odd) if it[0] == "kernel"] == []


def test_what_a_daemon_complains_of_is_passed_on() -> None:
    condition = Condition(name="Contested", message="routes 10.65.0.1/32: somebody removes it")
    view = with_node(healthy(), "n0", health={"felixpy": msgspec.structs.replace(HEALTH, conditions=(condition,))})
    assert [it[2] for it in look(view) if it[0] == "conditions"] == [f"felixpy: Contested: {condition.message}"]


def test_a_neighbour_table_that_is_nearly_full_is_named() -> None:
    entries = tuple(
        NeighbourFact(device="eth1", address=f"172.20.9.{number}", mac="", state="stale") for number in range(9)
    )
    view = healthy()
    facts = view.nodes["n0"].facts
    assert facts is not None
    view = with_node(view, "n0", facts=msgspec.structs.replace(facts, neighbours=entries))
    small = msgspec.structs.replace(SYSTEM, limits={"neighbours4_most": 10})
    view = with_node(view, "n0", system=small)
    (found,) = [it for it in look(view) if it[0] == "neighbour-table"]
    assert found[2].startswith("9 of 10 IPv4 neighbour entries are used")


def test_a_process_without_its_rights_is_named_with_what_it_lacks() -> None:
    process = ProcessFact(pid=7, name="birdpy", capabilities=0)
    view = with_node(healthy(), "n0", system=msgspec.structs.replace(SYSTEM, processes=(process,)))
    assert ("capabilities", "n0", "birdpy (pid 7) lacks CAP_NET_ADMIN") in look(view)


def test_only_the_checks_asked_for_are_made() -> None:
    view = with_node(healthy(), "n1", system=msgspec.structs.replace(SYSTEM, taken=NOW + 3600))
    assert {it.check for it in findings(view, NOW, ["clocks"])} == {"clocks"}
