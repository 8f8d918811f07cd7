"""What a plan says, row by row. Pure; a row stands for `count` of its kind where many nodes are alike."""

import msgspec

from felixpy.insight.plan.objects import ObjectChange


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session that does something."""

    node: str
    peer: str  # the node at the other end, else ""
    address: str
    session: str  # its name afterwards, or the one it had
    effect: str  # begins | ends | live | soft refresh | reset
    fields: list[str]  # of birdpy's session that differ
    why: list[str]  # the objects that changed: `bgppeer/tor spec.keepaliveTime`
    count: int = 1


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """One prefix that one peer hears of otherwise."""

    node: str
    peer: str  # the node at the other end, else its address
    prefix: str
    action: str  # announced | withdrawn | changed
    rule: str  # of export, that lets it out (or let it)
    count: int = 1


class RouteRow(msgspec.Struct, frozen=True, kw_only=True):
    """One route of birdpy in one node's kernel."""

    node: str
    prefix: str
    kind: str  # learned | blackhole
    action: str  # added | removed | changed
    before: str  # `via 10.0.0.2`, `blackhole`, or ""
    after: str
    count: int = 1


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A block that the change touches."""

    block: str
    pool: str
    node: str
    in_use: int  # addresses


class PodRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pod with an address in what the change touches."""

    pod: str
    node: str
    addresses: list[str]


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """A prefix to which a node has no path at the worst moment, though it has one before and after."""

    node: str
    prefix: str
    count: int = 1


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """The worst moment in between: all sessions that end or reset are down, and what is new is not in force yet."""

    sessions_down: int = 0
    sessions_to_come: int = 0
    losses: list[Loss] = []

    @property
    def lost(self) -> int:
        """Routes, over all nodes."""
        return sum(it.count for it in self.losses)


class Danger(msgspec.Struct, frozen=True, kw_only=True):
    """Why a change is refused unless forced."""

    danger: str  # last session | cut | stranded addresses | two owners
    subject: str
    reason: str
    count: int = 1


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that nothing in the change tells apart; the rows name the first ones of them."""

    example: str
    members: list[str]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that a change would do."""

    objects: list[ObjectChange]
    sessions: list[SessionRow] = []
    announcements: list[Announcement] = []
    routes: list[RouteRow] = []
    pools: list[str] = []
    blocks: list[BlockRow] = []
    pods: list[PodRow] = []
    worst: Worst = Worst()
    dangers: list[Danger] = []
    notes: list[str] = []
    nodes: int = 0
    alike: list[Alike] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.objects
