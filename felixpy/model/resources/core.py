"""The few core/v1 and discovery.k8s.io/v1 objects that we need. Pure.

All of them are others' objects: read, never written by a daemon.
"""

from msgspec import field

from felixpy.model.resources.base import Wire


class Secret(Wire, frozen=True):
    """Passwords. Its values never appear in a log, a `repr` or a status document."""

    data: dict[str, str] = field(default_factory=dict)  # base64; `stringData` is folded in on decoding
    string_data: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Secret(keys={sorted(self.data)})"


class ConfigMap(Wire, frozen=True):
    """Texts by name; what was applied is remembered in ten of them (`felixpy rollback`)."""

    data: dict[str, str] = field(default_factory=dict)


class Ingress(Wire, frozen=True):
    """One address that a load balancer gave the service."""

    ip: str = ""


class LoadBalancerStatus(Wire, frozen=True):
    """`status.loadBalancer`."""

    ingress: tuple[Ingress, ...] = ()


class Service(Wire, frozen=True):
    """A core/v1 Service: its spec, with `status.loadBalancer` beside it."""

    type: str = "ClusterIP"
    cluster_ip: str = field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = field(name="clusterIPs", default=())
    external_ips: tuple[str, ...] = field(name="externalIPs", default=())
    load_balancer_ip: str = field(name="loadBalancerIP", default="")
    external_traffic_policy: str = ""  # "" | Cluster | Local
    ip_families: tuple[str, ...] = ()
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class EndpointConditions(Wire, frozen=True):
    """Absent `ready` counts as ready."""

    ready: bool | None = None


class Endpoint(Wire, frozen=True):
    """One endpoint of a slice."""

    addresses: tuple[str, ...] = ()
    node_name: str = ""
    conditions: EndpointConditions = EndpointConditions()


class EndpointSlice(Wire, frozen=True):
    """A discovery.k8s.io/v1 EndpointSlice; its service is the label `kubernetes.io/service-name`."""

    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()


class Namespace(Wire, frozen=True):
    """A core/v1 Namespace. What we use of it is its metadata: labels select pools, annotations name them."""

    phase: str = ""  # status.phase: Active | Terminating


class PodIP(Wire, frozen=True):
    """One address that the kubelet reports for a pod."""

    ip: str = ""


class Pod(Wire, frozen=True):
    """A core/v1 Pod: where it runs and whether it still does; `phase` and `podIPs` are of its status."""

    node_name: str = ""  # "" while it is not scheduled
    host_network: bool = False
    phase: str = ""  # Pending | Running | Succeeded | Failed | Unknown
    pod_ips: tuple[PodIP, ...] = field(name="podIPs", default=())

    @property
    def over(self) -> bool:
        """Whether it has ended for good: such a pod holds no address."""
        return self.phase in ("Succeeded", "Failed")
