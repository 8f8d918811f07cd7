"""The links of a topology. Pure.

Short: `endpoints: ["a:eth1", "b:eth1"]`; extended: `type: veth` with endpoints as mappings, or `type: dummy`.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from felixpy.lab.located import At
from felixpy.lab.problems import Problems

DEFAULT_MTU = 9500  # containerlab's own, so that the same file gives the same packets
MAX_INTERFACE = 15  # IFNAMSIZ - 1
INTERFACE = re.compile(r"[^\s/:]+")
MAC = re.compile(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}")
SHORT = frozenset({"endpoints", "mtu", "ipv4", "ipv6", "vars", "labels", "type"})
DUMMY = frozenset({"endpoint", "mtu", "vars", "labels", "type"})
END = frozenset({"node", "interface", "mac", "ipv4", "ipv6", "vars"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a link: the interface that the node gets."""

    node: str
    interface: str
    mac: str = ""
    addresses: tuple[str, ...] = ()  # in CIDR notation

    def __str__(self) -> str:
        return f"{self.node}:{self.interface}"


@dataclass(frozen=True, slots=True)
class Link:
    """A veth pair (two ends) or a dummy interface (one)."""

    ends: tuple[Endpoint, ...]
    line: int
    mtu: int = DEFAULT_MTU


def links(body: At, nodes: Mapping[str, Any], problems: Problems) -> tuple[Link, ...]:
    """Every link; what is wrong goes into `problems`."""
    listed = body.get("links")
    if listed is None:
        return ()
    if not isinstance(listed.value, list):
        problems.add(listed.line, "", "topology.links: a list is needed")
        return ()
    found = [link for entry in listed.value if (link := _link(entry, problems)) is not None]
    _check_ends(found, nodes, problems)
    return tuple(found)


def _link(entry: At, problems: Problems) -> Link | None:
    kind = entry.get("type")
    if kind and kind.value not in ("veth", "dummy"):
        problems.add(kind.line, "", f"link type {kind.value!r} is not supported; this lab knows veth and dummy")
        return None
    dummy = kind is not None and kind.value == "dummy"
    problems.unknown(entry, DUMMY if dummy else SHORT, "link")
    listed = entry.get("endpoint" if dummy else "endpoints")
    raw = [] if listed is None else [listed] if dummy else listed.value
    ends = [_end(at, problems) for at in raw] if isinstance(raw, list) else []
    if len(ends) != (1 if dummy else 2):
        problems.add(entry.line, "", 'link: two endpoints are needed, such as ["a:eth1", "b:eth1"]')
        return None
    if any(end is None for end in ends):
        return None
    told = tuple(_addressed(end, place, entry, problems) for place, end in enumerate(ends) if end)
    return Link(told, entry.line, _mtu(entry, problems))


def _end(at: At, problems: Problems) -> Endpoint | None:
    if isinstance(at.value, str):
        node, colon, interface = at.value.partition(":")
        if colon and node and INTERFACE.fullmatch(interface):
            return Endpoint(node, interface)
        problems.add(at.line, "", f"link: {at.value!r} must be node:interface")
        return None
    if not isinstance(at.value, dict):
        problems.add(at.line, "", "link: an endpoint is node:interface or a mapping")
        return None
    problems.unknown(at, END, "link.endpoint")
    given = {key: str(value.value) for key in END if (value := at.get(key)) and not isinstance(value.value, dict)}
    if "node" not in given or "interface" not in given:
        problems.add(at.line, "", "link: an endpoint needs node and interface")
        return None
    if "mac" in given and not MAC.fullmatch(given["mac"]):
        problems.add(at.line, given["node"], f"link: mac {given['mac']!r} is not a MAC address")
    addresses = tuple(_prefix(given[key], at, problems) for key in ("ipv4", "ipv6") if given.get(key))
    return Endpoint(given["node"], given["interface"], given.get("mac", ""), addresses)


def _addressed(end: Endpoint, place: int, entry: At, problems: Problems) -> Endpoint:
    """The end with the addresses that stand beside the endpoints: `ipv4: [first, second]`."""
    more = []
    for key in ("ipv4", "ipv6"):
        listed = entry.get(key)
        values = listed.value if listed and isinstance(listed.value, list) else []
        if place < len(values) and values[place].value:
            more.append(_prefix(str(values[place].value), values[place], problems))
    return Endpoint(end.node, end.interface, end.mac, end.addresses + tuple(more))


def _prefix(text: str, at: At, problems: Problems) -> str:
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError:
        problems.add(at.line, "", f"link: {text!r} is not an address in CIDR notation")
        return text


def _mtu(entry: At, problems: Problems) -> int:
    mtu = entry.get("mtu")
    if mtu is None:
        return DEFAULT_MTU
    if isinstance(mtu.value, bool) or not isinstance(mtu.value, int) or not 68 <= mtu.value <= 65535:
        problems.add(mtu.line, "", f"link: mtu {mtu.value!r} must be between 68 and 65535")
        return DEFAULT_MTU
    return mtu.value


def _check_ends(found: list[Link], nodes: Mapping[str, Any], problems: Problems) -> None:
    seen: dict[tuple[str, str], int] = {}
    for link in found:
        for end in link.ends:
            key = (end.node, end.interface)
            if end.node in ("host", "mgmt-net", "macvlan") and end.node not in nodes:
                reason = "links into the host are not supported: a lab never touches the host's own network"
                problems.add(link.line, "", f"link {end}: {reason}")
            elif end.node not in nodes:
                problems.add(link.line, "", f"link {end}: there is no node {end.node!r}")
            if len(end.interface) > MAX_INTERFACE or end.interface in ("lo", ".", ".."):
                problems.add(link.line, end.node, f"link: {end.interface!r} cannot be an interface's name")
            if key in seen:
                problems.add(link.line, end.node, f"link: {end.interface} is used already in line {seen[key]}")
            seen.setdefault(key, link.line)
