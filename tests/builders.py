"""Resources for tests, with defaults that make sense."""

from ipaddress import ip_network

from felixpy.model.resources import Metadata, Resource, WorkloadEndpoint


def endpoint(
    pod: str = "web",
    *addresses: str,
    node: str = "n1",
    device: str | None = None,
    mac: str = "",
    container: str = "",
    spoof: tuple[str, ...] = (),
    namespace: str = "default",
) -> Resource[WorkloadEndpoint]:
    """A WorkloadEndpoint of `pod` on `node`, with /32 or /128 addresses and an interface `cali<pod>`."""
    spec = WorkloadEndpoint(
        node=node,
        pod=pod,
        container_id=container,
        ip_networks=tuple(ip_network(address) for address in addresses),
        interface_name=f"cali{pod}" if device is None else device,
        mac=mac,
        allow_spoofed_source_prefixes=tuple(ip_network(prefix) for prefix in spoof),
    )
    return Resource(Metadata(f"{node}-k8s-{pod}-eth0", namespace=namespace, created=1000.0), spec)
