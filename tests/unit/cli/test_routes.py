"""`felixpy routes`: how what the daemons want is joined with what the kernel holds, and how it reads."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from felixpy.cli.joined import Sources, join, line
from felixpy.cli.routes import asked, in_kernel, routes
from felixpy.model.addresses import parse_prefix
from felixpy.model.errors import Trouble, Usage
from felixpy.model.status import GatewayStatus, OriginStatus, RoutesStatus, RouteStatus

POD = OriginStatus(kind="pod", name="default/web")


def local(prefix: str = "10.65.0.2/32", device: str | None = "cali1", **more: object) -> RouteStatus:
    six = ":" in prefix
    fields: dict[str, object] = {
        "prefix": prefix, "family": 6 if six else 4, "table": 254, "metric": 512 if six else 0, "kind": "local",
        "wanted": True, "installed": True, "device": device, "protocol": "felixpy", "origin": POD, "as_path": (),
    }  # fmt: skip
    return msgspec.convert(fields | more, RouteStatus)


def learned(prefix: str = "10.65.1.0/26", *hops: GatewayStatus, **more: object) -> RouteStatus:
    gateways = hops or (GatewayStatus(via="172.20.0.2", device="eth1"),)
    return local(prefix, metric=1024, kind="learned", device=None, protocol="bird", gateways=gateways, **more)


def blackhole(prefix: str = "10.65.0.0/26", **more: object) -> RouteStatus:
    return local(prefix, metric=1024, kind="blackhole", device=None, protocol="bird", **more)


def found(*rows: RouteStatus) -> tuple[RouteStatus, ...]:
    """As the kernel has them: it knows nothing of wishes and origins."""
    replace = msgspec.structs.replace
    return tuple(replace(row, wanted=False, installed=True, origin=None, peer=None, as_path=None) for row in rows)


def joined(
    felixpy: tuple[RouteStatus, ...] | None = (),
    birdpy: tuple[RouteStatus, ...] | None = (),
    kernel: tuple[RouteStatus, ...] | None = None,
    endpoints: tuple[RouteStatus, ...] | None = None,
    why: Mapping[str, str] = {},
) -> tuple[RouteStatus, ...]:
    return join("n1", Sources(felixpy, birdpy, endpoints, kernel, why)).routes


def test_the_view_that_people_know() -> None:
    two = (GatewayStatus(via="10.0.0.1", device="eth1"), GatewayStatus(via="10.0.0.2", device="eth2", weight=3))
    rows = (
        local("10.65.0.2/32", "cali61e1f9a06fa"),
        local("fd00::2/128"),
        learned("10.100.32.128/26", GatewayStatus(via="172.20.70.205", device="eth0")),
        learned("10.65.2.0/26", GatewayStatus(via="10.0.0.9", device="eth1", onlink=True)),
        learned("10.65.3.0/26", *two),
        learned("0.0.0.0/0"),
        blackhole(),
    )
    assert [line(row) for row in rows] == [
        "10.65.0.2 dev cali61e1f9a06fa scope link",
        "fd00::2 dev cali1",
        "10.100.32.128/26 via 172.20.70.205 dev eth0",
        "10.65.2.0/26 via 10.0.0.9 dev eth1 onlink",
        "10.65.3.0/26 nexthop via 10.0.0.1 dev eth1 weight 1 nexthop via 10.0.0.2 dev eth2 weight 3",
        "default via 172.20.0.2 dev eth1",
        "blackhole 10.65.0.0/26",
    ]


def test_rows_of_both_daemons_are_one_table_in_order() -> None:
    rows = joined((local("fd00::2/128"), local("10.65.0.2/32")), (learned(), blackhole()))
    assert [row.prefix for row in rows] == ["10.65.0.0/26", "10.65.0.2/32", "10.65.1.0/26", "fd00::2/128"]


def test_the_kernel_has_the_last_word_on_what_is_installed() -> None:
    (gone,) = joined((local(),), kernel=())
    assert (gone.wanted, gone.installed, gone.reason) == (True, False, "not in the kernel")
    (refused,) = joined((local(installed=False, reason="held by proto static"),), kernel=())
    assert refused.reason == "held by proto static"
    (there,) = joined((local(installed=False),), kernel=found(local()))
    assert there.installed is True
    (elsewhere,) = joined((local(),), kernel=found(local(device="cali2")))
    assert (elsewhere.installed, elsewhere.reason) == (False, "the kernel has 10.65.0.2 dev cali2 scope link")
    assert in_kernel(elsewhere) == "no: the kernel has 10.65.0.2 dev cali2 scope link"


def test_a_route_that_nobody_wants_is_a_leftover() -> None:
    (row,) = joined(kernel=found(blackhole()))
    assert (row.wanted, row.installed, in_kernel(row)) == (False, True, "leftover")


def test_without_birdpy_its_routes_come_from_the_kernel_and_nothing_is_claimed_of_them() -> None:
    rows = joined((local(),), None, found(local(), learned()), why={"birdpy": "no daemon answers"})
    assert [(row.kind, row.wanted, row.as_path, in_kernel(row)) for row in rows] == [
        ("local", True, (), "yes"), ("learned", None, None, "yes"),
    ]  # fmt: skip


def test_without_felixpy_the_datastore_says_what_is_wanted() -> None:
    (row,) = joined(None, (), endpoints=(local(installed=None),), why={"felixpy": "gone", "kernel": "elsewhere"})
    assert (row.wanted, row.installed, in_kernel(row)) == (True, None, "unknown")


def test_without_any_source_it_is_trouble_and_says_why() -> None:
    with pytest.raises(Trouble, match="nothing is known of node n1: felixpy: away; birdpy: away too"):
        joined(None, None, why={"felixpy": "away", "birdpy": "away too"})


def test_a_prefix_narrows_the_view_to_what_overlaps_it() -> None:
    sources = Sources((local(),), (learned(), blackhole()), None, None, {})
    assert [row.prefix for row in join("n1", sources, asked("10.65.0.2")).routes] == ["10.65.0.0/26", "10.65.0.2/32"]
    assert [row.prefix for row in join("n1", sources, parse_prefix("10.65.1.0/24")).routes] == ["10.65.1.0/26"]
    with pytest.raises(Usage, match="no prefix and no address"):
        asked("web")


def test_the_document_has_exactly_the_promised_fields() -> None:
    status = join("n1", Sources((local(),), None, None, None, {"birdpy": "away"}))
    document = json.loads(msgspec.json.encode(status))
    assert list(document) == ["node", "routes", "missing"]
    assert list(document["routes"][0]) == [
        "prefix", "family", "table", "metric", "kind", "wanted", "installed", "reason", "device", "gateways",
        "protocol", "origin", "peer", "as_path", "since",
    ]  # fmt: skip
    assert document["missing"] == ["birdpy"]
    assert list(msgspec.to_builtins(learned())["gateways"][0]) == ["via", "device", "weight", "onlink"]
    assert msgspec.convert(document, RoutesStatus) == status


def test_a_lab_node_without_daemons_is_worked_out_from_the_labs_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FELIXPY_LABS_DIR", str(tmp_path))
    monkeypatch.setenv("FELIXPY_RUN_DIR", str(tmp_path / "none"))
    (tmp_path / "demo/nodes/n7/run").mkdir(parents=True)
    store = tmp_path / "demo/store/workloadendpoints"
    store.mkdir(parents=True)
    spec = {"node": "n7", "pod": "web", "interfaceName": "cali1", "ipNetworks": ["10.65.0.2/32"]}
    document = {"apiVersion": "projectcalico.org/v3", "kind": "WorkloadEndpoint", "spec": spec}
    store.joinpath("default.web.yaml").write_text(
        json.dumps({**document, "metadata": {"name": "web", "namespace": "default"}})
    )
    answer = CliRunner().invoke(routes, ["--node", "n7"])
    assert answer.exit_code == 0, answer.output
    assert re.split(r"\s{2,}", answer.stdout.splitlines()[1]) == [
        "10.65.0.2 dev cali1 scope link", "pod default/web", "-", "-", "-", "unknown",
    ]  # fmt: skip
    document = json.loads(CliRunner().invoke(routes, ["--node", "n7", "-o", "json"]).stdout)
    assert document["missing"] == ["felixpy", "birdpy", "kernel"]
