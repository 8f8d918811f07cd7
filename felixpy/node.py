"""Join: this node's own identity: which of its addresses is the node's, written to its Node resource when asked for.

By default the Node resource is taken as it is; on Kubernetes, where somebody has to write its annotations, an address
is chosen as by `--ip auto`: as Calico's start-up does, and again whenever an address of the machine changes.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_interface

from msgspec import structs

from felixpy.datastore.source import Datastore
from felixpy.model.addresses import Address, Family, contains, family, host_prefix, parse_address, parse_prefix
from felixpy.model.errors import Conflict, Trouble, Usage
from felixpy.model.links import AssignedAddress, Link
from felixpy.model.resources import Metadata, Node, NodeBGP, Resource
from felixpy.model.routes import Device

# Calico's list of interfaces that never carry a node's address (node/pkg/lifecycle/startup/autodetection).
NEVER = (
    r"docker.*|cbr.*|dummy.*|virbr.*|lxcbr.*|veth.*|lo|cali.*|tunl.*|flannel.*|kube-ipvs.*|cni.*"
    r"|vxlan\.calico.*|vxlan-v6\.calico.*|wireguard\.cali.*|wg-v6\.cali.*|nodelocaldns.*"
)
ATTEMPTS = 5  # compare-and-swap against others who write the same Node

Source = Callable[[Address], Address | None]  # the address that the kernel would send from


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine has, as the kernel says it now."""

    links: Mapping[Device, Link]
    addresses: Sequence[AssignedAddress]
    source: Source
    internal: Collection[Address] = ()  # what the kubelet reports as the node's InternalIP


def node_address(asked: str, method: str, of_family: Family, machine: Machine) -> str:
    """The address with its subnet's length for spec.bgp, "" for none.

    `asked` is `auto`, `none` or an address itself; Usage when it cannot be used, Trouble when `auto` finds none.
    """
    if asked in ("", "none"):
        return ""
    if asked != "auto":
        try:
            given = ip_interface(asked)
        except ValueError:
            raise Usage(f"--ip{6 if of_family == 6 else ''} {asked}: not auto, none or ADDRESS/LENGTH") from None
        if given.version != of_family:
            raise Usage(f"--ip{6 if of_family == 6 else ''} {asked}: not an IPv{of_family} address")
        return str(given)
    found = detect(method, of_family, machine)
    return f"{found.address}/{found.subnet.prefixlen}"


def detect(method: str, of_family: Family, machine: Machine) -> AssignedAddress:
    """The node's address by one of Calico's methods; Trouble naming the method and what there was to choose from.

    What is found and is most likely not the node's own is refused: it would move to another machine with the next
    failover, and half of the cluster would then send its pods' packets there.
    """
    usable = [it for it in machine.addresses if _usable(it, machine.links) and family(it.address) == of_family]
    name, _, argument = method.partition("=")
    try:
        found = list(_chosen(name, argument, usable, machine))
    except (ValueError, re.error) as error:
        raise Usage(f"autodetection method {method!r}: {error}") from None
    refused = {it: _refusal(it, machine.links[it.device], name) for it in found}
    best = next((it for it, reason in refused.items() if not reason), None)
    if best is not None:
        return best
    if found:
        each = ", ".join(f"{it.address}/{it.subnet.prefixlen} on {it.device} ({refused[it]})" for it in found)
        hint = f"give --ip{6 if of_family == 6 else ''} ADDRESS/LENGTH, or interface=NAME"
        raise Trouble(f"no IPv{of_family} address found by {method!r} can be this node's own: {each}; {hint}")
    there = ", ".join(f"{it.address} on {it.device}" for it in usable) or "none at all"
    raise Trouble(f"no IPv{of_family} address of this node is found by {method!r}; there is: {there}")


def _refusal(it: AssignedAddress, link: Link, method: str) -> str:
    """Why an address is most likely not the node's own; "" when it may be."""
    if it.subnet.prefixlen == it.subnet.max_prefixlen:
        return f"a /{it.subnet.prefixlen}: most often a virtual address"
    if it.secondary:
        return "temporary" if it.address.version == 6 else "a second address of its subnet: most often a virtual one"
    if link.kind == "bridge" and method != "interface":
        return "on a bridge"
    return ""


def _usable(it: AssignedAddress, links: Mapping[Device, Link]) -> bool:
    link = links.get(it.device)
    routable = not (it.address.is_link_local or it.address.is_loopback or it.address.is_multicast)
    return link is not None and link.up and routable and it.scope == 0 and not it.tentative


def _chosen(
    name: str, argument: str, usable: Sequence[AssignedAddress], machine: Machine
) -> Iterable[AssignedAddress]:
    ordinary = [it for it in usable if not re.fullmatch(NEVER, it.device)]
    match name:
        case "kubernetes-internal-ip" if not argument:
            return [it for it in usable if it.address in machine.internal]
        case "first-found" if not argument:
            return ordinary
        case "interface" if argument:
            patterns = [re.compile(part) for part in argument.split(",")]
            return [it for pattern in patterns for it in usable if pattern.match(it.device)]
        case "skip-interface" if argument:
            patterns = [re.compile(part) for part in argument.split(",")]
            return [it for it in ordinary if not any(pattern.match(it.device) for pattern in patterns)]
        case "cidr" if argument:
            wanted = [parse_prefix(part) for part in argument.split(",")]
            return [it for it in ordinary if any(contains(prefix, host_prefix(it.address)) for prefix in wanted)]
        case "can-reach" if argument:
            address = machine.source(parse_address(argument))
            return [it for it in usable if it.address == address]
        case _:
            raise ValueError(
                "not kubernetes-internal-ip, first-found, interface=, skip-interface=, cidr= or can-reach="
            )


async def write_addresses(datastore: Datastore, node: str, ipv4: str, ipv6: str) -> bool:
    """Make the Node resource carry these addresses; "" leaves a family as it is. Whether anything changed.

    Trouble when others change the Node faster than we can.
    """
    for _ in range(ATTEMPTS):
        stored = await datastore.get(Node, node)
        bgp = (stored.spec.bgp if stored else None) or NodeBGP()
        fields = {name: getattr(bgp, name) for name in NodeBGP.__struct_fields__}
        fields |= {name: text for name, text in (("ipv4_address", ipv4), ("ipv6_address", ipv6)) if text}
        wanted = NodeBGP(**fields)
        if wanted == bgp:
            return False
        try:
            if stored is None:
                await datastore.create(Resource(Metadata(node), Node(bgp=wanted)))
            else:
                await datastore.update(replace(stored, spec=structs.replace(stored.spec, bgp=wanted)))
        except Conflict:
            continue
        return True
    raise Trouble(f"Node {node}: others change it faster than its address can be written")
