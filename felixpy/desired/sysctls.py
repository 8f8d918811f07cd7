"""Which kernel settings pod networking needs, each with what breaks without it. Pure."""

from collections.abc import Collection, Iterable, Iterator

from felixpy.desired.endpoints import LocalEndpoint
from felixpy.model.routes import Device
from felixpy.model.sysctls import Sysctl, SysctlKey

Row = tuple[str, str, str]  # path below /proc/sys, value, reason


def desired_sysctls(endpoints: Iterable[LocalEndpoint], *, ipv6: bool) -> dict[SysctlKey, Sysctl]:
    """The settings of every pod's interface. `ipv6`: whether this kernel has IPv6 and we use it."""
    return _rows(row for endpoint in endpoints for row in _of_device(endpoint, ipv6=ipv6))


def node_sysctls(
    *, ipv4: bool, ipv6: bool, advertised: Collection[Device], guarded: Collection[Device]
) -> dict[SysctlKey, Sysctl]:
    """The settings of the node as a whole.

    `ipv4`, `ipv6`: whether the node forwards that family. `advertised`: the interfaces that hold a default route from
    a router advertisement; `guarded`: those of them whose accept_ra is known to be 2. IPv6 forwarding is wanted only
    when all of them are guarded, for the moment it is switched on the kernel drops the default routes of the others.
    """
    rows = [*_ipv4_of_node()] if ipv4 else []
    if ipv6:
        rows += _ipv6_of_node(advertised, forwarding=set(advertised) <= set(guarded))
    return _rows(rows)


def accept_ra(device: Device) -> SysctlKey:
    """The setting that guards an interface's advertised default route."""
    return SysctlKey(f"net/ipv6/conf/{device}/accept_ra")


def _of_device(endpoint: LocalEndpoint, *, ipv6: bool) -> Iterator[Row]:
    device = endpoint.device
    four, six = f"net/ipv4/conf/{device}", f"net/ipv6/conf/{device}"
    # The kernel takes the greater of `all` and the interface's own value; 2 (loose) accepts any source that is
    # routable at all, but an interface without addresses behaves strictly even then. So 1 here is enough, and the
    # copy of `default` that Calico takes would be 0 on many systems.
    if endpoint.spoofs:
        yield f"{four}/rp_filter", "0", "the endpoint may send from allowSpoofedSourcePrefixes"
    else:
        yield f"{four}/rp_filter", "1", "else the pod can send from addresses that it does not hold"
    yield f"{four}/route_localnet", "0", "with 1 the pod reaches what listens on the node's 127.0.0.1"
    yield f"{four}/proxy_arp", "1", "the pod asks for its gateway 169.254.1.1, which no interface holds"
    yield f"net/ipv4/neigh/{device}/proxy_delay", "0", "else answers for the gateway are held back up to 0.8 s"
    yield f"{four}/forwarding", "1", "else packets of the pod end at the node"
    if ipv6:
        yield f"{six}/accept_ra", "0", "a router advertisement from a pod would give the node a default route"
        yield f"{six}/accept_dad", "0", "every pod's interface has one link-local address: it must not wait for DAD"
        yield f"{six}/forwarding", "1", "else packets of the pod end at the node"


def _ipv4_of_node() -> Iterator[Row]:
    yield "net/ipv4/ip_forward", "1", "else the node routes nothing"
    for scope in ("all", "default"):
        path = f"net/ipv4/conf/{scope}/ignore_routes_with_linkdown"
        yield path, "1", "else half the flows of an ECMP route stay on a link without carrier"


def _ipv6_of_node(advertised: Iterable[Device], *, forwarding: bool) -> Iterator[Row]:
    for device in sorted(advertised):
        reason = "its default route came by router advertisement and would vanish when forwarding starts"
        yield accept_ra(device).path, "2", reason
    if forwarding:
        yield "net/ipv6/conf/all/forwarding", "1", "else the node routes nothing"
    for scope in (
        "all",
        "default",
    ):  # IPv6 has no OR of both: writing `all` writes every interface, `default` new ones
        path = f"net/ipv6/conf/{scope}/ignore_routes_with_linkdown"
        yield path, "1", "else half the flows of an ECMP route stay on a link without carrier"


def _rows(rows: Iterable[Row]) -> dict[SysctlKey, Sysctl]:
    """By key, in the order in which they must be written."""
    sysctls = (Sysctl(SysctlKey(path), value, because) for path, value, because in rows)
    return {sysctl.key: sysctl for sysctl in sysctls}
