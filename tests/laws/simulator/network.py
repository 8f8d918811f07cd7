"""A cluster of routers that run the production code on one segment, and the wires between them."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_network

from birdpy.desired.advertisements import Advertisements, Chosen, advertisements
from birdpy.desired.originate import local_paths, own_blocks
from birdpy.desired.rules import export_rules
from birdpy.policy.guard import Here, Own
from birdpy.policy.imports import judgement, surroundings
from birdpy.policy.session import Session, Speaker
from birdpy.policy.sessions import speaker
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.events import Reach, Unreach, Update
from birdpy.rib.next_hops import Ground, Resolved
from birdpy.rib.selection import Selection
from birdpy.rib.table import Rib, Sender
from felixpy.model.addresses import Address, Prefix
from felixpy.model.snapshot import Snapshot
from tests.unit.birdpy.builders import routes, way

GROUND = routes(way("10.0.0.0/24"))


@dataclass
class Router:
    """One node: its table, what it chose, and what it has told each peer."""

    name: str
    snapshot: Snapshot
    here: Speaker
    rib: Rib = field(default_factory=Rib)
    up: set[Address] = field(default_factory=set)
    told: Advertisements = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.selection = Selection(self.rib, Ground(GROUND))
        self.blocks = own_blocks(self.snapshot, self.name)
        own = Own(frozenset(self.blocks.announced))
        self.around = surroundings(self.here, {}, Here(GROUND), own)
        self.rules = export_rules(self.snapshot, self.here, self.blocks.announced, ())
        self.selection.update(self.rib.replace_local(local_paths(self.snapshot, self.name)))

    @property
    def address(self) -> Address:
        return self.here.addresses[0]

    def session(self, peer: Address) -> Session | None:
        return next((one for one in self.here.sessions if one.address == peer), None)

    def hear(self, update: Update, router_id: int) -> None:
        session = self.session(update.peer)
        assert session is not None
        applied = self.rib.apply(update, Sender(session, router_id), judgement(session, self.around))
        self.selection.update(applied.touched)

    def to_say(self) -> dict[AdvertisementKey, Advertisement | None]:
        """What changed since it was last told; None withdraws."""
        peers = [one for one in self.here.sessions if one.address in self.up]
        choices = self.selection.choices
        wanted = advertisements(choices, Chosen(choices), peers, self.rules, self.blocks.blackholed)
        changed: dict[AdvertisementKey, Advertisement | None] = {
            key: one for key, one in wanted.items() if self.told.get(key) != one
        }
        changed |= {key: None for key in self.told if key not in wanted and key.peer in self.up}
        self.told = wanted
        return changed

    def next_hop(self, prefix: Prefix) -> Address | None:
        """Where a packet goes; None when it stays here or has nowhere to go."""
        choice = self.selection.choice(prefix)
        if choice is None or choice.best.next_hop is None:
            return None
        answer = self.selection.way(choice.best)
        return answer.hops[0].via if isinstance(answer, Resolved) else None


@dataclass
class Network:
    """Routers by address. Each direction of each wire is a queue: order within it holds, between them it does not."""

    routers: dict[Address, Router]
    wires: dict[tuple[Address, Address], list[Update]] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, names: list[str]) -> "Network":
        made = [Router(name, snapshot, speaker(snapshot, name)) for name in names]
        return cls({router.address: router for router in made})

    def connect(self, one: Address, other: Address) -> None:
        """Bring the session up if both ends have it."""
        a, b = self.routers[one], self.routers[other]
        if a.session(other) is not None and b.session(one) is not None and other not in a.up:
            a.up.add(other)
            b.up.add(one)
            self.wires[one, other], self.wires[other, one] = [], []

    def cut(self, one: Address, other: Address) -> None:
        """The session goes down without graceful restart; what is on the wire is lost."""
        for here, there in ((one, other), (other, one)):
            router = self.routers[here]
            session = router.session(there)
            if session is not None and there in router.up:
                router.up.discard(there)
                router.told = {key: ad for key, ad in router.told.items() if key.peer != there}
                self.wires.pop((here, there), None)
                router.selection.update(router.rib.lost(session.name))

    def crash(self, address: Address) -> None:
        """A router dies, its sessions with it, and starts anew knowing nothing; they come back one by one."""
        dead = self.routers[address]
        for other in tuple(dead.up):
            self.cut(address, other)
        self.routers[address] = Router(dead.name, dead.snapshot, dead.here)

    def speak(self, address: Address) -> None:
        """One router says what changed."""
        for key, one in self.routers[address].to_say().items():
            if one is None:
                update = Update(address, (), (Unreach(key.prefix),))
            else:
                update = Update(address, (Reach(key.prefix, one.next_hop),), (), one.attributes)
            self.wires[address, key.peer].append(update)

    def deliver(self, wire: tuple[Address, Address]) -> None:
        """The oldest message of one wire arrives."""
        sender, receiver = wire
        update = self.wires[wire].pop(0)
        self.routers[receiver].hear(update, int(self.routers[sender].here.router_id))

    def settle(self, limit: int = 5000) -> int:
        """Until nobody has anything to say; how many messages that took. AssertionError when it never ends."""
        for count in range(limit):
            for address in self.routers:
                self.speak(address)
            waiting = [wire for wire, queue in self.wires.items() if queue]
            if not waiting:
                return count
            for wire in waiting:
                while self.wires[wire]:
                    self.deliver(wire)
        raise AssertionError("the routers never come to rest")

    def trace(self, start: Address, prefix: Prefix) -> list[Address]:
        """The routers that a packet from `start` passes; ends where it stays. AssertionError on a loop."""
        seen = [start]
        while (via := self.routers[seen[-1]].next_hop(prefix)) is not None:
            assert via not in seen, f"loop: {seen} -> {via}"
            seen.append(via)
        return seen


def address_of(number: int) -> Address:
    return ip_address(f"10.0.0.{number}")


def block_of(number: int) -> Prefix:
    return ip_network((int(IPv4Address("10.65.0.0")) + (number << 6), 26))
