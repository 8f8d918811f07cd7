"""Watches against the real server: over its restart, after it forgot, and with what nobody listens to left out."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest

from felixpy.datastore.follow import follow
from felixpy.datastore.kubernetes.access import from_kubeconfig
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.kubernetes.store import KubernetesDatastore
from felixpy.model.errors import Conflict
from felixpy.model.resources import (
    BGPConfiguration,
    BGPPeer,
    BlockAffinity,
    EndpointSlice,
    IPPool,
    Metadata,
    Node,
    NodeBGP,
    Resource,
    Secret,
    Service,
    ServiceCidr,
    Spec,
    WorkloadEndpoint,
)
from felixpy.model.resources.bgp import Password, SecretKeyRef
from felixpy.model.snapshot import Gone, Listed, Put, Snapshot
from tests.kube.server import ApiServer

Body = Callable[[KubernetesDatastore], Awaitable[None]]


def pool(name: str, cidr: str) -> Resource[IPPool]:
    return Resource(Metadata(name), IPPool(cidr=ip_network(cidr), block_size=26))


def store(server: ApiServer, scope: Scope | None = None) -> KubernetesDatastore:
    return KubernetesDatastore.at(from_kubeconfig(server.kubeconfig), scope)


def run(server: ApiServer, body: Body, scope: Scope | None = None, limit_s: float = 60) -> None:
    async def main() -> None:
        made = store(server, scope)
        try:
            async with asyncio.timeout(limit_s):
                await body(made)
        finally:
            await made.close()

    asyncio.run(main())


async def until(snapshots: Any, holds: Callable[[Snapshot], bool], seconds: float = 20) -> Snapshot:
    async with asyncio.timeout(seconds):
        async for snapshot in snapshots:
            if holds(snapshot):
                return cast("Snapshot", snapshot)
    raise AssertionError


def test_a_delete_during_the_servers_absence_is_not_lost(api_server: ApiServer) -> None:
    """After its restart the server does not remember old versions: 410, a new list, compared by key."""
    if api_server.control is None:
        pytest.skip("a server that is not ours is not restarted")
    api_server.empty()

    async def body(made: KubernetesDatastore) -> None:
        kept, lost = await made.create(pool("kept", "10.1.0.0/16")), await made.create(pool("lost", "10.2.0.0/16"))
        async with aclosing(cast("Any", follow(made, [IPPool, Node]))) as snapshots:
            assert set((await anext(snapshots)).of(IPPool)) == {"kept", "lost"}
            assert api_server.control is not None
            await asyncio.to_thread(api_server.control.restart, "kube-apiserver")
            other = store(api_server)  # somebody else works on while we have not come back yet
            await other.delete(lost)
            await other.update(replace(kept, meta=replace(kept.meta, labels={"changed": "yes"})))
            await other.close()
            now = await until(snapshots, lambda it: "lost" not in it.of(IPPool))
            assert now.of(IPPool)["kept"].meta.labels == {"changed": "yes"} or await until(
                snapshots, lambda it: it.of(IPPool)["kept"].meta.labels == {"changed": "yes"}
            )
            assert made.api.counts.refusals.get(410), "the server has forgotten"

    run(api_server, body)


def test_a_daemon_sees_its_nodes_pods_and_blocks_and_no_others(api_server: ApiServer) -> None:
    api_server.empty()
    pods = "apiVersion: v1\nkind: Pod\nmetadata: {{name: {0}, namespace: team-a, annotations: {1}}}\n"
    pods += (
        "spec: {{nodeName: {2}, automountServiceAccountToken: false, containers: [{{name: c, image: none}}]}}\n---\n"
    )
    ours = '{"cni.projectcalico.org/podIP": "10.65.0.3/32", "cni.projectcalico.org/containerID": "c"}'
    api_server.apply(pods.format("ours", ours, "n1") + pods.format("theirs", ours, "n2"))

    async def body(made: KubernetesDatastore) -> None:
        for node in ("n1", "n2"):
            spec = BlockAffinity(cidr=ip_network(f"10.65.{node[1]}.0/26"), node=node, state="confirmed")
            await made.create(Resource(Metadata(f"{node}-x"), spec))
        kinds: list[type[Spec]] = [WorkloadEndpoint, BlockAffinity]
        async with aclosing(cast("Any", made.watch(kinds))) as events:
            endpoints, blocks = cast("Listed", await anext(events)), cast("Listed", await anext(events))
            assert set(endpoints.objects) == {"team-a/n1-k8s-ours-eth0"} and set(blocks.objects) == {"n1-x"}
            (found,) = endpoints.objects.values()
            await made.delete(found)
            assert await anext(events) == Gone(WorkloadEndpoint, "team-a/n1-k8s-ours-eth0")
        assert set((await made.whole().list(BlockAffinity)).objects) == {"n1-x", "n2-x"}

    run(api_server, body, Scope("n1"))


def test_what_others_write_into_a_node_is_no_news(api_server: ApiServer) -> None:
    api_server.empty()

    async def body(made: KubernetesDatastore) -> None:
        await made.create(Resource(Metadata("n1"), Node(bgp=NodeBGP(ipv4_address="10.0.0.1/24"))))
        async with aclosing(cast("Any", made.watch([Node]))) as events:
            await anext(events)
            for number in range(3):
                await asyncio.to_thread(
                    api_server.kubectl, "annotate", "node", "n1", f"other.io/beat={number}", "--overwrite"
                )
            await asyncio.to_thread(api_server.kubectl, "label", "node", "n1", "rack=a")
            event = await anext(events)
            assert isinstance(event, Put) and event.resource.meta.labels == {"rack": "a"}

    run(api_server, body)


def test_services_and_secrets_are_watched_only_while_they_are_needed(api_server: ApiServer) -> None:
    api_server.empty()
    api_server.apply(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: kube-system}\nstringData: {pw: a}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: kube-system}\nstringData: {pw: b}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: team-a}\nspec: {ports: [{port: 80}]}\n"
    )
    kinds: list[type[Spec]] = [BGPConfiguration, BGPPeer, Secret, Service, EndpointSlice]

    async def body(made: KubernetesDatastore) -> None:
        async with aclosing(cast("Any", follow(made, kinds))) as snapshots:
            now = await anext(snapshots)
            assert not now.of(Secret) and not now.of(Service)
            running = {key[0] for key in made._following._running}
            assert running == {BGPConfiguration, BGPPeer}
            reference = Password(secret_key_ref=SecretKeyRef(name="bgp", key="pw"))
            peer = await made.create(Resource(Metadata("tor"), BGPPeer(peer_ip="10.0.0.9", password=reference)))
            now = await until(snapshots, lambda it: bool(it.of(Secret)))
            assert set(now.of(Secret)) == {"kube-system/bgp"}
            ranges = BGPConfiguration(service_cluster_ips=(ServiceCidr(cidr=ip_network("10.96.0.0/16")),))
            config = await made.create(Resource(Metadata("default"), ranges))
            now = await until(snapshots, lambda it: "team-a/web" in it.of(Service))
            await made.delete(config)
            await made.delete(peer)
            await until(snapshots, lambda it: not it.of(Service) and not it.of(Secret))
            assert {key[0] for key in made._following._running} == {BGPConfiguration, BGPPeer}

    run(api_server, body, Scope("n1"))


def test_a_secret_that_is_named_and_not_there_holds_nothing_up(api_server: ApiServer) -> None:
    api_server.empty()

    async def body(made: KubernetesDatastore) -> None:
        reference = Password(secret_key_ref=SecretKeyRef(name="none", key="pw"))
        await made.create(Resource(Metadata("tor"), BGPPeer(peer_ip="10.0.0.9", password=reference)))
        async with aclosing(cast("Any", follow(made, [BGPConfiguration, BGPPeer, Secret]))) as snapshots:
            now = await anext(snapshots)
            assert now.in_sync([Secret]) and not now.of(Secret)
            secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: none, namespace: kube-system}\n"
            await asyncio.to_thread(api_server.apply, secret)
            await until(snapshots, lambda it: "kube-system/none" in it.of(Secret))

    run(api_server, body, Scope("n1"))


def test_ten_kinds_are_one_connection(api_server: ApiServer) -> None:
    api_server.empty()
    kinds: list[type[Spec]] = [IPPool, Node, BGPPeer, BGPConfiguration, WorkloadEndpoint, BlockAffinity]

    async def body(made: KubernetesDatastore) -> None:
        async with (
            aclosing(cast("Any", made.watch(kinds))) as first,
            aclosing(cast("Any", made.watch(kinds))) as second,
        ):
            for events in (first, second):
                for kind in kinds:
                    assert cast("Listed", await anext(events)).kind is kind
        assert made.api.counts.connections == 1
        assert made.api.counts.verbs["GET"] <= 2 + 2 * len(kinds), "each kind is listed and watched once for both"

    run(api_server, body, Scope("n1"))


def test_twenty_writers_lose_no_update(api_server: ApiServer) -> None:
    api_server.empty()

    async def body(made: KubernetesDatastore) -> None:
        await made.create(pool("p", "10.1.0.0/16"))

        async def add(number: int) -> None:
            while True:
                found = await made.get(IPPool, "p")
                assert found is not None
                annotations = {**found.meta.annotations, f"x{number}": ""}
                try:
                    await made.update(replace(found, meta=replace(found.meta, annotations=annotations)))
                except Conflict:
                    continue
                return

        await asyncio.gather(*(add(number) for number in range(20)))
        found = await made.get(IPPool, "p")
        assert found is not None and len(found.meta.annotations) == 20

    run(api_server, body)


def test_a_daemon_that_starts_while_the_server_is_away_goes_on_with_what_was_known(
    api_server: ApiServer, tmp_path: Path
) -> None:
    if api_server.control is None:
        pytest.skip("a server that is not ours is not stopped")
    control = api_server.control
    api_server.empty()
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: kube-system}\nstringData: {pw: hunter2}\n"
    )
    api_server.apply(secret)
    scope = Scope("n1", keep=(tmp_path / "state", tmp_path / "run"))
    kinds: list[type[Spec]] = [IPPool, Node, BGPConfiguration, BGPPeer, Secret]

    async def learn(made: KubernetesDatastore) -> None:
        await made.create(pool("one", "10.1.0.0/16"))
        await made.create(Resource(Metadata("n1"), Node(bgp=NodeBGP(ipv4_address="10.0.0.1/24"))))
        reference = Password(secret_key_ref=SecretKeyRef(name="bgp", key="pw"))
        await made.create(Resource(Metadata("tor"), BGPPeer(peer_ip="10.0.0.9", password=reference)))
        async with aclosing(cast("Any", follow(made, kinds))) as snapshots:
            await until(snapshots, lambda it: bool(it.of(Secret)))

    async def go_on(made: KubernetesDatastore) -> None:
        lost: list[str] = []
        async with aclosing(cast("Any", follow(made, kinds, lambda error: lost.append(str(error))))) as snapshots:
            now = await anext(snapshots)
            assert now.of(Node)["n1"].spec.bgp == NodeBGP(ipv4_address="10.0.0.1/24")
            assert set(now.of(IPPool)) == {"one"} and set(now.of(Secret)) == {"kube-system/bgp"}
            assert now.in_sync(kinds) and not now.may_erase(kinds), "nothing is erased on an earlier time's word"
            assert lost and "no API server" in lost[0]
            await asyncio.to_thread(control.start_api)
            now = await until(snapshots, lambda it: it.may_erase(kinds), seconds=40)
            assert set(now.of(IPPool)) == {"one"} and not now.stale

    run(api_server, learn, scope)
    files = {path: path.read_text() for path in tmp_path.rglob("*.json")}
    assert {path.name for path in files if path.is_relative_to(tmp_path / "run")} == {"secrets.kube-system.bgp.json"}
    assert not any("aHVudGVyMg" in text for path, text in files.items() if path.is_relative_to(tmp_path / "state"))
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    control.running.pop("kube-apiserver").end()
    try:
        run(api_server, go_on, scope, limit_s=90)
    finally:
        if "kube-apiserver" not in control.running:
            control.start_api()


NAMED = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reads-bgp}
rules:
- {apiGroups: [crd.projectcalico.org], resources: [bgpconfigurations, bgppeers], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reads-bgp}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reads-bgp}
subjects: [{kind: User, name: nobody, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reads-one-password, namespace: kube-system}
rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [bgp], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads-one-password, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reads-one-password}
subjects: [{kind: User, name: nobody, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: kube-system}
stringData: {pw: a}
---
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: kube-system}
stringData: {pw: b}
"""


def test_a_right_to_one_secret_is_enough_and_another_one_is_named_not_waited_for(
    api_server: ApiServer, tmp_path: Path
) -> None:
    if api_server.control is None:
        pytest.skip("a server that is not ours has other tokens")
    api_server.empty()
    api_server.apply(NAMED)
    text = api_server.kubeconfig.read_text()
    nobody = "users: [{name: admin, user: {token: nobody-token}}]\n"
    (tmp_path / "k").write_text(text[: text.index("users:")] + nobody)

    async def body(made: KubernetesDatastore) -> None:
        for name in ("bgp", "other"):
            reference = Password(secret_key_ref=SecretKeyRef(name=name, key="pw"))
            await made.create(Resource(Metadata(name), BGPPeer(peer_ip="10.0.0.9", password=reference)))
        theirs = KubernetesDatastore.at(from_kubeconfig(tmp_path / "k"), Scope("n1"))
        try:
            async with aclosing(cast("Any", follow(theirs, [BGPConfiguration, BGPPeer, Secret]))) as snapshots:
                now = await until(snapshots, lambda it: bool(it.of(Secret)) and bool(it.problems))
                assert set(now.of(Secret)) == {"kube-system/bgp"}
                ((key, problem),) = now.problems.items()
                assert key == (Secret, "kube-system/other") and "403 Forbidden" in problem.reason
        finally:
            await theirs.close()

    run(api_server, body)
