"""Before and after -> what happens on the way. Pure: the production pipeline, run twice and once in between."""

from collections.abc import Iterable

from msgspec.structs import replace

from birdpy.policy.sessions import SpeakerSettings
from felixpy.insight.plan.classes import SMALL, NodeClass, node_classes, only
from felixpy.insight.plan.dangers import in_use, pool_of, resource_dangers, route_dangers, session_dangers
from felixpy.insight.plan.effects import announcement_rows, losses, owners, route_rows
from felixpy.insight.plan.ledger import Ledger, R
from felixpy.insight.plan.network import Network, network
from felixpy.insight.plan.objects import ObjectChange, object_changes
from felixpy.insight.plan.rows import (
    Alike,
    Announcement,
    BlockRow,
    Danger,
    Loss,
    Plan,
    PodRow,
    RouteRow,
    SessionRow,
    Worst,
)
from felixpy.insight.plan.sessions import BEGINS, ENDS, RESET, down_between, session_rows
from felixpy.model.addresses import contains
from felixpy.model.resources import IPAMBlock, Node, WorkloadEndpoint
from felixpy.model.snapshot import Snapshot

OUTSIDE = "peers outside the cluster are told and tell nothing: what they would announce is not in this plan"
ESTIMATE = "nodes that look alike did not behave alike: the counts are estimates"


def plan(before: Snapshot, after: Snapshot, settings: SpeakerSettings | None = None, *, small: int = SMALL) -> Plan:
    """What becomes of the network when `before` turns into `after`.

    Clusters of more than `small` nodes are worked out by classes of nodes that nothing tells apart.
    """
    objects = object_changes(before, after)
    nodes = len(before.of(Node).keys() | after.of(Node).keys())
    if not objects:
        return Plan(objects=[], nodes=nodes)
    classes = node_classes(before, after, small)
    names = [name for one in classes for name in one.kept]
    few = only(before, names), only(after, names)
    settings = settings or SpeakerSettings()
    one = network(few[0], [it for it in names if it in few[0].of(Node)], settings)
    other = network(few[1], [it for it in names if it in few[1].of(Node)], settings)
    made = _Made(classes, one, other, {it.what: it for it in objects})
    sessions = made.sessions()
    worst, dangers = made.worst(few[0], settings), made.dangers()
    dangers += resource_dangers(before, after)
    announcements, routes = made.announcements(), made.routes()
    pools, blocks, pods = _touched(before, after, objects)
    return Plan(
        objects=objects, sessions=sessions, announcements=announcements, routes=routes,
        pools=pools, blocks=blocks, pods=pods, worst=worst, dangers=dangers,
        notes=[OUTSIDE] if made.uniform else [OUTSIDE, ESTIMATE], nodes=nodes,
        alike=[Alike(example=it.members[0], members=list(it.members)) for it in classes if len(it.members) > 1],
    )  # fmt: skip


class _Made:
    """The two networks, and what is read off them."""

    def __init__(
        self, classes: tuple[NodeClass, ...], before: Network, after: Network, changes: dict[str, ObjectChange]
    ) -> None:
        self._classes, self._before, self._after, self._changes = classes, before, after, changes
        self._whose = owners(before, after)
        self._every: list[SessionRow] = []
        self._rows: list[SessionRow] = []
        self.uniform = True

    def sessions(self) -> list[SessionRow]:
        ledger: Ledger[SessionRow] = Ledger(self._classes)
        session_rows(self._before, self._after, self._changes, ledger)
        self._every, self._rows = ledger.every(), self._counted(ledger)
        return self._rows

    def announcements(self) -> list[Announcement]:
        ledger: Ledger[Announcement] = Ledger(self._classes)
        announcement_rows(self._before, self._after, self._whose, ledger)
        return self._counted(ledger)

    def routes(self) -> list[RouteRow]:
        ledger: Ledger[RouteRow] = Ledger(self._classes)
        route_rows(self._before, self._after, self._whose, ledger)
        return self._counted(ledger)

    def dangers(self) -> list[Danger]:
        ledger: Ledger[Danger] = Ledger(self._classes)
        session_dangers(self._before, self._after, ledger)
        route_dangers(self._before, self._after, self._whose, ledger)
        return self._counted(ledger)

    def worst(self, snapshot: Snapshot, settings: SpeakerSettings) -> Worst:
        """The moment when all that ends is gone, and nothing new is there: no session, and no node's new policy."""
        gone = sum(row.count for row in self._rows if row.effect in (ENDS, RESET))
        coming = sum(row.count for row in self._rows if row.effect == BEGINS)
        if not gone:
            return Worst(sessions_to_come=coming)
        down = down_between(self._before, self._after, self._every)
        between = network(snapshot, list(self._before.routers), settings, lambda pair: pair not in down)
        ledger: Ledger[Loss] = Ledger(self._classes)
        losses((self._before, between, self._after), self._whose, ledger)
        return Worst(sessions_down=gone, sessions_to_come=coming, losses=self._counted(ledger))

    def _counted(self, ledger: Ledger[R]) -> list[R]:
        self.uniform = self.uniform and ledger.uniform()
        return [replace(row, count=count) for count, row in ledger.rows()]  # type: ignore[type-var]


def _touched(
    before: Snapshot, after: Snapshot, objects: Iterable[ObjectChange]
) -> tuple[list[str], list[BlockRow], list[PodRow]]:
    """The pools that change, the blocks in them or that change themselves, the pods with an address there."""
    changed = {it.what for it in objects}
    pools = sorted(what.removeprefix("ippool/") for what in changed if what.startswith("ippool/"))
    blocks = {}
    for snapshot in (after, before):
        for name, it in snapshot.of(IPAMBlock).items():
            pool = pool_of(snapshot, it.spec.cidr)
            if pool in pools or f"ipamblock/{name}" in changed:
                node = (it.spec.affinity or "").removeprefix("host:")
                row = BlockRow(block=str(it.spec.cidr), pool=pool, node=node, in_use=in_use(it.spec))
                blocks[it.spec.cidr] = row
    pods = {}
    for snapshot in (before, after):
        for name, pod in snapshot.of(WorkloadEndpoint).items():
            inside = any(contains(block, it) for block in blocks for it in pod.spec.ip_networks)
            if inside or f"workloadendpoint/{name}" in changed:
                addresses = [str(it.network_address) for it in pod.spec.ip_networks]
                pods[name] = PodRow(pod=name, node=pod.spec.node, addresses=addresses)
    return pools, list(blocks.values()), list(pods.values())
