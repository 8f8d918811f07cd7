"""One thing that happened, as the log keeps it: a line of JSON. Pure.

`kind` and `what`:
- `route` (a row of the kernel): added, changed, removed, repaired (written again after somebody else took it), taken
  (somebody else removed or changed it), refused (by the kernel), found (there when we looked), kept (in a copy);
- `path` (what was chosen of a prefix): chosen, none, kept;
- `session`: up, down, held down, not up, closing, removed, kept;
- `repair` (a row of another table: a setting, a neighbour, a MAC): repaired;
- `daemon`: started, read (the kernel, for the first time), stopped, gap (events were lost), copy (of all that is).
"""

from collections.abc import Iterable

import msgspec

from felixpy.model.routes import Hop, Origin, Route, RouteKey


class Cause(msgspec.Struct, frozen=True, gc=False):
    """Why something changed: a constant phrase, who or what did it, and the detail in words."""

    what: str = ""  # "withdrawn by", "session down", "pod attached", ...
    of: str = ""  # the session, pod, block, ...
    why: str = ""

    @property
    def text(self) -> str:
        """`session down Mesh_10_0_0_2: hold timer expired`."""
        head = f"{self.what} {self.of}".strip()
        return f"{head}: {self.why}" if self.why and head else head or self.why


class Row(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A route of the kernel with its origin; the fields of `felixpy.model.status.RouteStatus` in short."""

    prefix: str
    table: int = 254
    metric: int = 0
    kind: str = "learned"
    device: str | None = None
    hops: tuple[tuple[str, str, int, bool], ...] = ()  # via, device, weight, onlink
    origin: str = ""  # its kind: pod, peer, block, ...
    name: str = ""
    rule: str = ""  # the round that decided
    peer: str = ""
    as_path: tuple[int, ...] = ()
    since: float = 0.0

    @property
    def place(self) -> tuple[str, int, int]:
        """What makes two rows the same route."""
        return self.prefix, self.table, self.metric


class Chosen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was chosen of a prefix, and from what."""

    session: str = ""  # "" for our own
    source: str = "bgp"  # bgp | local | static | kernel
    peer: str = ""
    next_hop: str = ""
    as_path: tuple[int, ...] = ()
    local_pref: int | None = None
    decided_by: str = ""  # the round
    others: tuple[tuple[str, str], ...] = ()  # who else offered it: session, and what became of that


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """One line of the log."""

    time: float  # Unix seconds
    kind: str
    what: str
    key: str = ""  # the prefix, the session's name, `table key`
    cause: Cause = Cause()
    row: Row | None = None
    path: Chosen | None = None
    peer: str = ""  # of a session
    since: float = 0.0  # of a session's state in a copy
    number: int = 0  # daemon: of the process; copy: how many lines belong to it; gap: how many events were lost
    boot: str = ""  # of the machine, where a daemon started


TURNED = "link or neighbour"  # a cause that may leave a choice as it is: the last resort, too, is chosen
DECODER = msgspec.json.Decoder(Event)


def encoded(events: Iterable[Event]) -> bytes:
    """The events as lines."""
    return msgspec.json.Encoder().encode_lines(tuple(events))


def decoded(lines: bytes) -> list[Event]:
    """The events of whole lines; ValueError when one is none."""
    return DECODER.decode_lines(lines)


def row_of(route: Route) -> Row:
    """A route as the log keeps it."""
    key, origin = route.key, route.origin or NOBODY
    return Row(
        prefix=str(key.prefix),
        table=key.table,
        metric=key.metric,
        kind=route.kind.value,
        device=route.device,
        hops=tuple(map(hop_of, route.hops)),
        origin=origin.kind,
        name=origin.name,
        rule=origin.rule,
        peer=str(origin.peer) if origin.peer else "",
        as_path=tuple(map(int, origin.as_path)),
        since=origin.since,
    )


NOBODY = Origin("", "")


def hop_of(hop: Hop) -> tuple[str, str, int, bool]:
    """One way out."""
    return str(hop.via), hop.device, hop.weight, hop.onlink


def bare(key: RouteKey) -> Row:
    """A row of which nothing but its key is known."""
    return Row(prefix=str(key.prefix), table=key.table, metric=key.metric, kind="")


__all__ = ["Cause", "Chosen", "Event", "Row", "bare", "decoded", "encoded", "row_of"]
