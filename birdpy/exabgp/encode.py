"""Advertisements to ExaBGP's text commands. Pure.

Next hops are always explicit: `self` is an error for IPv6 over IPv4, and the router id the other way round. Nothing
that a peer wrote reaches a command unchecked: extended communities and the aggregator, the only texts among the
attributes, must match what ExaBGP itself writes, else they are left out.

Prefixes with equal attributes for equal peers share one command. A command holds at most `PREFIXES_PER_COMMAND`
(ExaBGP is quadratic in it: 500 in one command take longer than ten commands of 50).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.path import Attributes
from felixpy.model.addresses import Address, Family, Prefix, family

T = TypeVar("T")

PREFIXES_PER_COMMAND = 50
PEERS_PER_COMMAND = 150  # about 3 kB of selectors; ExaBGP refuses a line above 1 MiB

_COMMUNITY = re.compile(r"[a-z][a-z0-9-]{0,31}:[0-9A-Za-z.:]{1,40}|0x[0-9A-Fa-f]{16}")
_AGGREGATOR = re.compile(r"[0-9.]{1,15}:[0-9.]{1,15}")
_UNSPECIFIED: dict[Family, Address] = {4: ip_address("0.0.0.0"), 6: ip_address("::")}  # noqa: S104 - no bind


@dataclass(frozen=True, slots=True)
class Command:
    """One line for ExaBGP, without its newline, and the keys whose fate its answer tells."""

    text: str
    keys: tuple[AdvertisementKey, ...] = ()


def announcements(advertisements: Iterable[Advertisement]) -> Iterator[Command]:
    """The fewest commands that announce `advertisements`."""
    groups: dict[tuple[str, int, Family], dict[Prefix, list[AdvertisementKey]]] = {}
    texts: dict[tuple[Address, Attributes], str] = {}
    for wanted in advertisements:
        shared = (wanted.next_hop, wanted.attributes)
        if (text := texts.get(shared)) is None:
            text = texts[shared] = f"next-hop {wanted.next_hop}{attributes_text(wanted.attributes)}"
        group = groups.setdefault((text, wanted.key.path_id, family(wanted.key.prefix)), defaultdict(list))
        group[wanted.key.prefix].append(wanted.key)
    for (text, path_id, _), prefixes in groups.items():
        yield from _commands(f"announce attributes {text}{_path_id(path_id)}", prefixes)


def withdrawals(keys: Iterable[AdvertisementKey]) -> Iterator[Command]:
    """The fewest commands that withdraw `keys`. The next hop is only there because the grammar asks for one."""
    groups: dict[tuple[int, Family], dict[Prefix, list[AdvertisementKey]]] = {}
    for key in keys:
        group = groups.setdefault((key.path_id, family(key.prefix)), defaultdict(list))
        group[key.prefix].append(key)
    for (path_id, number), prefixes in groups.items():
        start = f"withdraw attributes next-hop {_UNSPECIFIED[number]}{_path_id(path_id)}"
        yield from _commands(start, prefixes)


def end_of_rib(peer: Address, number: Family) -> Command:
    """End-of-RIB by hand (RFC 4724 §2); ExaBGP sends it after every route that it took before."""
    return Command(f"neighbor {peer} announce eor ipv{number} unicast")


def route_refresh(peer: Address, number: Family) -> Command:
    """Ask `peer` for everything again (RFC 2918)."""
    return Command(f"neighbor {peer} announce route-refresh ipv{number} unicast")


def _commands(start: str, prefixes: dict[Prefix, list[AdvertisementKey]]) -> Iterator[Command]:
    by_peers: dict[tuple[Address, ...], list[list[AdvertisementKey]]] = defaultdict(list)
    for keys in prefixes.values():
        by_peers[tuple(sorted((key.peer for key in keys), key=str))].append(keys)
    for peers, rows in by_peers.items():
        for some in _chunks(peers, PEERS_PER_COMMAND):
            selector = ", ".join(f"neighbor {peer}" for peer in some)
            chosen = frozenset(some)
            for part in _chunks(rows, PREFIXES_PER_COMMAND):
                text = f"{selector} {start} nlri {' '.join(str(keys[0].prefix) for keys in part)}"
                yield Command(text, tuple(key for keys in part for key in keys if key.peer in chosen))


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _path_id(path_id: int) -> str:
    return f" path-information {path_id}" if path_id else ""


def attributes_text(attributes: Attributes) -> str:
    """`attributes` in ExaBGP's words, each preceded by a space. No AS path given is an empty one on iBGP."""
    words = [f" origin {attributes.origin.name.lower()}"]
    if attributes.as_path:
        sets = "".join(f" ( {' '.join(map(str, sorted(members)))} )" for members in attributes.as_sets)
        words.append(f" as-path [ {' '.join(map(str, attributes.as_path))} ]{sets}")
    if attributes.med is not None:
        words.append(f" med {attributes.med}")
    if attributes.local_pref is not None:
        words.append(f" local-preference {attributes.local_pref}")
    words += _lists(attributes)
    if attributes.originator_id is not None:
        words.append(f" originator-id {attributes.originator_id}")
    if attributes.cluster_list:
        words.append(f" cluster-list [ {' '.join(map(str, attributes.cluster_list))} ]")
    if attributes.atomic_aggregate:
        words.append(" atomic-aggregate")
    if _AGGREGATOR.fullmatch(attributes.aggregator):
        words.append(f" aggregator ( {attributes.aggregator} )")
    return "".join(words)


def _lists(attributes: Attributes) -> Iterator[str]:
    plain = " ".join(f"{high}:{low}" for high, low in sorted(attributes.communities))
    large = " ".join(f"{a}:{b}:{c}" for a, b, c in sorted(attributes.large_communities))
    extended = " ".join(text for text in sorted(attributes.extended_communities) if _COMMUNITY.fullmatch(text))
    if plain:
        yield f" community [ {plain} ]"
    if large:
        yield f" large-community [ {large} ]"
    if extended:
        yield f" extended-community [ {extended} ]"
