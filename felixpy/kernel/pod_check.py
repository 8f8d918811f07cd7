"""What of a pod's side is not as it should be, read from the pod's namespace now.

Through a NETLINK_ROUTE socket of that namespace; names of other interfaces in there are not ours to know, so rows are
told apart by the index of the pod's interface.
"""

from collections.abc import Iterator

from felixpy.kernel.link_message import NUD_PERMANENT, decode_address, decode_neighbour
from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Netlink, dumped
from felixpy.kernel.pod_side import GATEWAY_IPV4, PodSide, link_local, table_of
from felixpy.kernel.route_dump import dump_routes
from felixpy.kernel.route_message import decode
from felixpy.kernel.rtnetlink import (
    ADDRESS,
    FAMILY,
    NEIGHBOUR,
    RTM_GETADDR,
    RTM_GETNEIGH,
    RTM_NEWADDR,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
)
from felixpy.model.addresses import Address
from felixpy.model.links import Link
from felixpy.model.routes import MAIN_TABLE, Device


def faults(netlink: Netlink, pod: PodSide, mac: str) -> tuple[str, ...]:
    """One sentence for each thing that is missing or wrong; () when all is as `pod_side.configure` left it.

    `mac` is the pod's own. Unreachable when the namespace does not answer.
    """
    link = Links.ask(netlink, pod.device)
    if link is None:
        return (f"the pod has no interface {pod.device}",)
    return tuple(_faults(netlink, pod, link, mac))


def _faults(netlink: Netlink, pod: PodSide, link: Link, mac: str) -> Iterator[str]:
    if not link.up:
        yield f"{pod.device} is down in the pod"
    if mac and link.mac != mac:
        yield f"{pod.device} has the MAC {link.mac}, not {mac}"
    addresses = _addresses(netlink, link.index)
    for address in pod.addresses:
        if address not in addresses:
            yield f"{pod.device} does not have the address {address}"
    for version in sorted({address.version for address in pod.addresses}):
        gateway = GATEWAY_IPV4 if version == 4 else link_local(pod.gateway_mac)
        if not _has_default(netlink, version, link.index, gateway):
            yield f"there is no default route via {gateway} on {pod.device}"
        if _neighbours(netlink, version, link.index).get(gateway) != pod.gateway_mac:
            yield f"the permanent neighbour entry {gateway} lladdr {pod.gateway_mac} is missing on {pod.device}"


def _addresses(netlink: Netlink, index: int) -> set[Address]:
    chunks = netlink.dump(RTM_GETADDR, ADDRESS.pack(0, 0, 0, 0, 0))
    found = (decode_address(body) for body in dumped(chunks, RTM_NEWADDR))
    return {each.address for each in found if each is not None and each.index == index}


def _neighbours(netlink: Netlink, version: int, index: int) -> dict[Address, str]:
    chunks = netlink.dump(RTM_GETNEIGH, NEIGHBOUR.pack(FAMILY[version], 0, 0, 0, 0))
    found = (decode_neighbour(body) for body in dumped(chunks, RTM_NEWNEIGH))
    return {
        each.address: each.mac
        for each in found
        if each is not None and each.index == index and each.state == NUD_PERMANENT
    }


def _has_default(netlink: Netlink, version: int, index: int, gateway: Address) -> bool:
    """In the main table, or in the one of a further interface."""
    device = Device(str(index))
    for table in (MAIN_TABLE, table_of(index)):
        for body in dumped(dump_routes(netlink, FAMILY[version], table=table), RTM_NEWROUTE):
            found = decode(body, lambda each: Device(str(each)))
            if found is None or found.route is None or found.key.prefix.prefixlen:
                continue
            if any((hop.via, hop.device) == (gateway, device) for hop in found.route.hops):
                return True
    return False
