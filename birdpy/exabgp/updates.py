"""Edge: how ExaBGP tells of an UPDATE. A patch like those of exabgp/patches; runs in ExaBGP's process.

As shipped every line names the host, two processes, the time and both ends' AS numbers, and every prefix goes
through code for labels and route distinguishers. Here a line holds what exabgp/decode reads, in the same form, and a
prefix of an ordinary family is decoded directly. Whatever is not ordinary takes ExaBGP's own way, so that its answers
to malformed messages stay as they are.
"""

from typing import Any

BITS = {1: 32, 2: 128}  # AFI -> length of its addresses
UNICAST = 1
ANNOUNCE, WITHDRAW = 1, 2
PLAIN = frozenset({1, 2, 3, 4, 5, 8, 9, 10, 32})  # ORIGIN to LOCAL_PREF, communities, ORIGINATOR_ID, CLUSTER_LIST
NEXT_HOP, EXTENDED_LENGTH = 3, 0x10
KEPT = 4096


def patch_updates() -> None:
    """Everything here."""
    patch_decoding()
    patch_attributes()
    patch_texts()
    patch_telling()


def patch_decoding() -> None:
    """Prefixes of unicast without path identifiers are decoded by `unpacked`."""
    from exabgp.bgp.message.update.nlri.cidr import CIDR
    from exabgp.bgp.message.update.nlri.inet import INET
    from exabgp.bgp.message.update.nlri.nlri import NLRI

    original = NLRI.unpack_nlri.__func__

    def unpack(cls: Any, afi: Any, safi: Any, data: bytes, *how: Any) -> tuple[Any, bytes]:
        action, addpath = how
        bits = BITS.get(afi, 0)
        if addpath or safi != UNICAST or not data or data[0] > bits or len(data) <= (size := (data[0] + 7) >> 3):
            return original(cls, afi, safi, data, action, addpath)  # type: ignore[no-any-return]
        nlri = INET(afi, safi, action)
        nlri.cidr = CIDR(data[1 : size + 1] + bytes((bits >> 3) - size), data[0])
        return nlri, data[size + 1 :]

    NLRI.unpack_nlri = classmethod(unpack)


def patch_attributes() -> None:
    """An attribute of the kinds in `PLAIN` that came before is not decoded again.

    One that did not decode is never kept. AS numbers of two and four bytes read differently: that is part of the key.
    """
    from exabgp.bgp.message.update.attribute.attributes import Attributes

    parse = Attributes._parse_one
    known: dict[tuple[bytes, bool], Any] = {}

    def parsing(self: Any, data: bytes, direction: Any, negotiated: Any) -> bytes | None:
        if (
            negotiated is None
            or len(data) < 3
            or data[1] not in PLAIN
            or data[0] & EXTENDED_LENGTH
            or data[1] in self
        ):
            return parse(self, data, direction, negotiated)  # type: ignore[no-any-return]
        end = 3 + data[2]
        key = data[:end], negotiated.asn4
        if (attribute := known.get(key)) is not None:
            self.add(attribute)
            return data[end:]
        left = parse(self, data, direction, negotiated)
        if (attribute := self.get(data[1])) is not None and len(data) >= end:
            remember(known, key, attribute)
        return left  # type: ignore[no-any-return]

    Attributes._parse_one = parsing


def patch_texts() -> None:
    """The text of one that `patch_attributes` has found again is not written again."""
    from exabgp.bgp.message.update.attribute.attributes import Attributes

    generate = Attributes._generate_json
    texts: dict[int, tuple[Any, str]] = {}  # by identity; the attribute is held so that no other one takes its place

    def generating(self: Any) -> Any:
        if not PLAIN.issuperset(self):
            return generate(self)
        return [text_of(code, self[code]) for code in sorted(self) if code != NEXT_HOP]

    def text_of(code: int, attribute: Any) -> str:
        found = texts.get(id(attribute))
        if found is None:
            alone = Attributes()
            alone.add(attribute)
            found = attribute, ", ".join(generate(alone))
            remember(texts, id(attribute), found)
        return found[1]

    Attributes._generate_json = generating


def remember(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep `value`, and at most `KEPT` of them."""
    if len(kept) >= KEPT:
        kept.clear()
    kept[key] = value


def patch_telling() -> None:
    """The line of an UPDATE is written here; what it announced is not kept once it was told."""
    from exabgp.bgp.message import Update
    from exabgp.reactor.api.response.json import JSON
    from exabgp.reactor.protocol import _UPDATE, Protocol

    original, read_message = JSON.update, Protocol.read_message

    def update(self: Any, neighbor: Any, direction: str, update: Any, *rest: Any) -> str:
        routes = told(update.nlris)  # empty for End-of-RIB
        if not routes:
            return str(original(self, neighbor, direction, update, *rest))
        attributes = f'"attribute": {{ {update.attributes.json()} }}, ' if update.attributes else ""
        ends = f'"local": "{neighbor["local-address"]}", "peer": "{neighbor["peer-address"]}"'
        return (
            f'{{ "type": "update", "neighbor": {{ "address": {{ {ends} }}, "direction": "{direction}", '
            f'"message": {{ "update": {{ {attributes}{routes} }} }} }} }}'
        )

    def reading(self: Any) -> Any:
        for message in read_message(self):
            yield _UPDATE if message.TYPE == Update.TYPE else message

    JSON.update = update
    Protocol.read_message = reading


def told(nlris: list[Any]) -> str:
    """What was announced and withdrawn, by family; announcements by next hop too. Empty when nothing was."""
    announced: dict[str, dict[str, list[str]]] = {}
    withdrawn: dict[str, list[str]] = {}
    hops: dict[int, str] = {}  # by identity: the prefixes of one UPDATE share their next hop's object
    for nlri in nlris:
        family = f"{nlri.afi} {nlri.safi}"
        if nlri.action == WITHDRAW:
            withdrawn.setdefault(family, []).append(nlri.json())
        elif nlri.action == ANNOUNCE:
            hop = hops.get(id(nlri.nexthop)) or hops.setdefault(id(nlri.nexthop), str(nlri.nexthop))
            announced.setdefault(family, {}).setdefault(hop, []).append(nlri.json())
    parts = []
    if announced:
        families = (f'"{family}": {{ {_by_hop(hops)} }}' for family, hops in announced.items())
        parts.append(f'"announce": {{ {", ".join(families)} }}')
    if withdrawn:
        lists = (f'"{family}": [ {", ".join(texts)} ]' for family, texts in withdrawn.items())
        parts.append(f'"withdraw": {{ {", ".join(lists)} }}')
    return ", ".join(parts)


def _by_hop(hops: dict[str, list[str]]) -> str:
    return ", ".join(f'"{hop}": [ {", ".join(texts)} ]' for hop, texts in hops.items())
