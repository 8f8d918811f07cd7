"""What a call means on this node: names, endpoint, and which addresses to ask for. Pure."""

from dataclasses import dataclass, replace
from hashlib import sha256

from felixpy.cni.call import Call
from felixpy.cni.result import Attached
from felixpy.ipam.allocate import Request
from felixpy.ipam.annotations import Asked
from felixpy.ipam.blocks import Owner, timestamp
from felixpy.ipam.errors import NoQualifiedPool
from felixpy.ipam.pools import Rules, Wish, pools_for
from felixpy.model.addresses import Address, Family, host_prefix, parse_address
from felixpy.model.names import endpoint_name, interface_name
from felixpy.model.resources import Metadata, Resource, WorkloadEndpoint
from felixpy.model.routes import Device

GATEWAY_IPV4 = parse_address("169.254.1.1")
GATEWAY_IPV6 = parse_address("fe80::ecee:eeff:feee:eeee")  # EUI-64 of ee:ee:ee:ee:ee:ee
DEFAULT_INTERFACE = "eth0"
FAMILIES: tuple[Family, ...] = (4, 6)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One interface of one container on this node."""

    node: str
    container: str
    interface: str  # in the pod
    host_interface: Device
    handle: str
    orchestrator: str  # k8s, or cni when no orchestrator names a pod
    workload: str  # the pod's name, else the container's id
    namespace: str
    uid: str = ""  # the pod's, where the orchestrator says it
    wanted_mac: str = ""  # what the runtime asks for
    asked: Asked = Asked()  # what annotations of the pod and its namespace ask for

    @property
    def object_name(self) -> str:
        """`metadata.name` of its WorkloadEndpoint."""
        return endpoint_name(self.node, self.orchestrator, self.workload, self.interface)

    @property
    def endpoint(self) -> str:
        """The WorkloadEndpoint's name with its namespace."""
        return f"{self.namespace}/{self.object_name}"

    @property
    def mac(self) -> str:
        """The pod's end: as asked for, else locally administered, and the same for the same container, so that a
        second ADD agrees.
        """
        if self.wanted_mac or self.asked.mac:
            return self.wanted_mac or self.asked.mac
        digest = sha256(f"{self.container}/{self.interface}".encode()).hexdigest()
        return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])

    def owner(self, now: float) -> Owner:
        """Under whose name the addresses are held, with Calico's attributes."""
        who = {"pod": self.workload, "namespace": self.namespace} if self.orchestrator == "k8s" else {}
        uid = {"uid": self.uid} if self.uid else {}
        return Owner(self.handle, {**who, **uid, "node": self.node, "timestamp": timestamp(now)})


def attachment(call: Call, node: str, prefix: str = "cali") -> Attachment:
    """The interface that a call is about. `prefix` begins the names of host interfaces.

    A pod's first interface has the name that Calico gives it; a further one adds its own name to what is hashed. The
    id of a container without pod is hashed too: Calico takes its first 11 characters, and where users choose the ids
    (`ctr run`), two of them that begin alike would be one interface.
    """
    further = "" if call.interface == DEFAULT_INTERFACE else f".{call.interface}"
    whose = f"{call.namespace}.{call.pod}" if call.pod else call.container
    host = interface_name(f"{whose}{further}", prefix)
    return Attachment(
        node=node,
        container=call.container,
        interface=call.interface,
        host_interface=Device(host),
        handle=call.handle,
        orchestrator="k8s" if call.pod else "cni",
        workload=call.pod or call.container,
        namespace=call.namespace,
        uid=call.args.get("K8S_POD_UID", "") if call.pod else "",
        wanted_mac=call.mac,
    )


def with_asked(what: Attachment, asked: Asked) -> Attachment:
    """The attachment as the pod's annotations want it; addresses and MAC are for the pod's first interface."""
    if what.interface != DEFAULT_INTERFACE:
        asked = replace(asked, addresses=(), mac="")
    return replace(what, asked=asked, uid=what.uid or asked.pod_uid)


def endpoint(what: Attachment, addresses: tuple[Address, ...], created: float = 0.0) -> Resource[WorkloadEndpoint]:
    """The WorkloadEndpoint to publish; `created` in Unix seconds."""
    versions = {address.version for address in addresses}
    labels = {"projectcalico.org/orchestrator": what.orchestrator}
    return Resource(
        Metadata(what.object_name, what.namespace, labels=labels, created=created),
        WorkloadEndpoint(
            node=what.node,
            orchestrator=what.orchestrator,
            workload=what.workload,
            pod=what.workload if what.orchestrator == "k8s" else "",
            endpoint=what.interface,
            container_id=what.container,
            ip_networks=tuple(host_prefix(address) for address in addresses),
            ipv4_gateway=GATEWAY_IPV4 if 4 in versions else None,
            ipv6_gateway=GATEWAY_IPV6 if 6 in versions else None,
            interface_name=what.host_interface,
            mac=what.mac,
            allow_spoofed_source_prefixes=what.asked.spoofed,
        ),
    )


def attached(what: Attachment, stored: Resource[WorkloadEndpoint], mtu: int, netns: str) -> Attached:
    """What to answer for an endpoint that exists."""
    spec = stored.spec
    addresses = tuple(network.network_address for network in spec.ip_networks)
    return Attached(spec.interface_name, what.interface, spec.mac, mtu, netns, addresses)


def request(call: Call, what: Attachment, rules: Rules, now: float) -> Request:
    """The addresses to ask for.

    Annotations count before the configuration. A family that neither mentions is wanted when a pool serves it, or
    when pools are named for it; wanted addresses stand for their families. With nothing to go by IPv4 is asked for,
    so that the error says what is missing.
    """
    owner, use = what.owner(now), what.asked
    if use.addresses:
        return Request(owner, (), use.addresses)
    wishes = [_wish(call, what, family) for family in FAMILIES if _wanted(call, use, family)]
    if not wishes and not call.addresses:
        undecided = [_wish(call, what, family) for family in FAMILIES if call.assigns(family) is None]
        wishes = [wish for wish in undecided if wish.pools or _served(wish, rules)] or undecided[:1]
    return Request(owner, tuple(wishes), call.addresses)


def _wish(call: Call, what: Attachment, family: Family) -> Wish:
    asked = what.asked
    return Wish(family, asked.pools.get(family) or call.pools(family), namespace_labels=asked.namespace_labels)


def _wanted(call: Call, asked: Asked, family: Family) -> bool:
    if any(address.version == family for address in call.addresses):
        return False
    if asked.families is not None:
        return family in asked.families
    said = call.assigns(family)
    if said is not None:
        return said
    other = call.assigns(6 if family == 4 else 4)
    return family == 4 and other is not None and not call.addresses


def _served(wish: Wish, rules: Rules) -> bool:
    try:
        return bool(pools_for(wish, rules))
    except NoQualifiedPool:
        return False
