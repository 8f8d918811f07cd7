"""Addresses that nobody uses any more, each with its proof. Pure.

An address is live while an endpoint has it, while an endpoint is of the container that took it, and while its pod
still waits for the addresses that it will report. A handle's addresses are live or leaked together. What cannot be
read is no proof: while one endpoint, pod or node is unreadable, nothing counts as leaked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from felixpy.ipam.blocks import held, seconds
from felixpy.ipam.books import blocks_of, shape
from felixpy.model.addresses import Address
from felixpy.model.resources import Namespace, Node, Pod, Resource, Spec, WorkloadEndpoint
from felixpy.model.snapshot import Snapshot

WITNESSES: tuple[type[Spec], ...] = (WorkloadEndpoint, Pod, Namespace, Node)
MIRROR = "kubernetes.io/config.mirror"  # the UID under which the kubelet runs a static pod
NO_ENDPOINT = "no WorkloadEndpoint has it"


@dataclass(frozen=True, slots=True)
class Holding:
    """One address that a block says is in use."""

    address: Address
    block: str
    handle: str
    attributes: Mapping[str, str]
    sequence: int | None = None  # of this allocation: another one has another

    @property
    def who(self) -> str:
        """`pod default/web on n1 (handle …)`, as far as it is known."""
        pod = self.attributes.get("pod")
        name = f"pod {self.attributes.get('namespace', '')}/{pod} " if pod else ""
        node = f"on {self.attributes['node']} " if "node" in self.attributes else ""
        return f"{name}{node}(handle {self.handle or 'none'})"


@dataclass(frozen=True, slots=True)
class Leak:
    """Everything that one handle holds and nobody uses."""

    holdings: tuple[Holding, ...]
    proof: str  # which pod, UID, namespace or node is gone

    @property
    def since(self) -> float:
        """When the youngest of them was taken, Unix seconds; 0 when that is not known."""
        return max(seconds(holding.attributes.get("timestamp")) for holding in self.holdings)

    @property
    def key(self) -> tuple[tuple[Address, int | None], ...]:
        """The same for the same allocations, another one once an address was given out anew."""
        return tuple((holding.address, holding.sequence) for holding in self.holdings)


def holdings(snapshot: Snapshot) -> list[Holding]:
    """Every address that is in use, in order of the blocks' names."""
    return [
        Holding(
            block.spec.cidr[ordinal],
            name,
            entry.handle_id or "",
            entry.secondary or {},
            block.spec.sequence_number_for_allocation.get(str(ordinal)),
        )
        for name, block in blocks_of(snapshot).items()
        if not shape(block.spec)
        for ordinal, entry in held(block.spec)
    ]


def endpoint_addresses(snapshot: Snapshot) -> dict[Address, list[str]]:
    """The names of the endpoints that have each address."""
    users: dict[Address, list[str]] = defaultdict(list)
    for name, endpoint in sorted(snapshot.of(WorkloadEndpoint).items()):
        for prefix in endpoint.spec.ip_networks:
            users[prefix.network_address].append(name)
    return users


def leaks(snapshot: Snapshot) -> Iterator[Leak]:
    """What leaked, by handle. Whoever acts on it lets a grace period pass first: a pod may be on its way."""
    if any(kind in WITNESSES for kind, _ in snapshot.problems):
        return
    together: dict[str, list[Holding]] = defaultdict(list)
    for holding in holdings(snapshot):
        together[holding.handle or str(holding.address)].append(holding)
    users = endpoint_addresses(snapshot)
    containers = {endpoint.spec.container_id for endpoint in snapshot.of(WorkloadEndpoint).values()} - {""}
    for handle, found in together.items():
        if any(holding.address in users for holding in found) or _names(handle, containers):
            continue
        if proof := _gone(snapshot, found[0].attributes):
            yield Leak(tuple(found), proof)


def _names(handle: str, containers: set[str]) -> bool:
    """Whether a handle, `<network>.<container>[@<interface>]`, is of one of these containers; both may hold dots."""
    parts = handle.partition("@")[0].split(".")
    return any(".".join(parts[start:]) in containers for start in range(1, len(parts)))


def _gone(snapshot: Snapshot, owner: Mapping[str, str]) -> str:
    """What shows that the owner is not there, the strongest first; empty when it may well be."""
    nodes, node = snapshot.of(Node), owner.get("node", "")
    if "type" in owner:  # a tunnel's address: it goes with its node and with nothing else
        return f"node {node} does not exist" if nodes and node and node not in nodes else ""
    namespaces, namespace = snapshot.of(Namespace), owner.get("namespace", "")
    if namespaces and namespace and namespace not in namespaces:
        return f"namespace {namespace} does not exist, {NO_ENDPOINT}"
    pods, name = snapshot.of(Pod), owner.get("pod", "")
    if not pods or not name:
        return NO_ENDPOINT
    pod = pods.get(f"{namespace}/{name}")
    uid = owner.get("uid", "")
    if pod is None:
        return f"pod {namespace}/{name}{f' with UID {uid}' if uid else ''} does not exist, {NO_ENDPOINT}"
    reason = _not_its(pod, uid, node)
    return f"pod {pod.name} {reason}, {NO_ENDPOINT}" if reason else ""


def _not_its(pod: Resource[Pod], uid: str, node: str) -> str:
    """Why an address that no endpoint has is not this pod's; empty while the pod still waits for its addresses."""
    spec = pod.spec
    known = (pod.meta.uid, pod.meta.annotations.get(MIRROR))
    if uid and pod.meta.uid and uid not in known:
        return f"has UID {pod.meta.uid} now, the address was taken for {uid}"
    if spec.over:
        return f"is {spec.phase}"
    if spec.host_network:
        return "uses its node's own network"
    if node and spec.node_name and node != spec.node_name:
        return f"is on node {spec.node_name}"
    return f"has {', '.join(ip.ip for ip in spec.pod_ips)}" if spec.pod_ips else ""
