"""Join: one prefix from its source into the kernel and to the peers, station by station."""

from collections.abc import Iterator, Sequence

from birdpy.desired.advertisements import verdict_of
from birdpy.desired.service_reasons import service_reasons
from birdpy.peers import Peer
from birdpy.policy.exports import Announced
from birdpy.rib.best_path import Choice
from birdpy.rib.next_hops import Resolved
from birdpy.rib.verdict import Accepted
from birdpy.ribview import in_kernel, nearest
from birdpy.state import State
from felixpy.model.addresses import Prefix, contains
from felixpy.model.resources import BlockAffinity
from felixpy.model.snapshot import Snapshot
from felixpy.model.status import ExplainStep, Explanation


def explanation(state: State, snapshot: Snapshot, node: str, asked: Prefix) -> Explanation:
    """The steps for `asked`, or for the longest prefix around it."""
    prefix = nearest(state, asked) or asked
    services = (
        ExplainStep(station="service", passed=passed, text=text)
        for passed, text in service_reasons(snapshot, node, asked)
    )
    steps = (*services, *walk(state, snapshot, node, prefix))
    return Explanation(node=node, prefix=str(prefix), steps=steps, stopped_by=stopping(steps))


def stopping(steps: Sequence[ExplainStep]) -> str:
    """The first step that kept the prefix out; "" when it arrived. One peer's refused path stops no other's."""
    if any(step.station == "kernel" and step.passed for step in steps):
        return ""
    accepted = any(step.station == "import" and step.passed for step in steps)
    failed = (step for step in steps if not step.passed and not (accepted and step.station == "import"))
    return next((f"{step.station}: {step.text}" for step in failed), "")


def walk(state: State, snapshot: Snapshot, node: str, prefix: Prefix) -> Iterator[ExplainStep]:
    """Every station, until one stops it."""
    verdicts = state.learning.rib.held(prefix)
    yield from block(snapshot, state, node, prefix)
    if not verdicts:
        yield ExplainStep(station="source", passed=False, text=f"nobody has announced {prefix}")
        return
    for verdict in verdicts:
        path = verdict.received
        told = f"{path.session or 'this node'} announces it"
        if path.next_hop is not None:
            told += f", next hop {path.next_hop}, AS path {' '.join(map(str, path.attributes.as_path)) or 'empty'}"
        yield ExplainStep(station="source", passed=True, text=told)
        if isinstance(verdict, Accepted):
            yield ExplainStep(station="import", passed=True, text=f"accepted: {verdict.rule}")
        else:
            yield ExplainStep(station="import", passed=False, text=f"refused: {verdict.text}")
    choice = state.learning.selection.choice(prefix)
    yield from next_hops(state, prefix)
    if choice is None:
        yield ExplainStep(station="best path", passed=False, text="no path is left to choose")
        return
    shared = f", shared by {len(choice.multipath)} paths" if len(choice.multipath) > 1 else ""
    best = choice.best.session or "our own"
    yield ExplainStep(station="best path", passed=True, text=f"{best}, decided by: {choice.because}{shared}")
    installed, reason = in_kernel(state, prefix, choice)
    yield ExplainStep(station="kernel", passed=installed or choice.best.source != "bgp", text=reason or "installed")
    yield from exports(state, choice)


def block(snapshot: Snapshot, state: State, node: str, prefix: Prefix) -> Iterator[ExplainStep]:
    """Which node's block this is, and whether that node's session is there to announce it."""
    for affinity in snapshot.of(BlockAffinity).values():
        spec = affinity.spec
        if not contains(spec.cidr, prefix):
            continue
        claimed = spec.state in ("", "confirmed")
        text = f"{spec.cidr} is a block of node {spec.node}, {spec.state or 'confirmed'}"
        yield ExplainStep(station="block", passed=claimed, text=text)
        peer = next((p for p in state.peers.values() if p.session.cluster_node == spec.node), None)
        if spec.node != node and peer is not None:
            yield session(state, peer)


def session(state: State, peer: Peer) -> ExplainStep:
    """How the session with the node that should announce it is."""
    name = peer.session.name
    if peer.up:
        return ExplainStep(station="session", passed=True, text=f"{name} is established")
    reason = peer.session.held_down or state.left_out.get(name) or peer.last_error or "it has not come up yet"
    kept = "; its former paths are kept for the graceful restart time" if peer.awaiting else ""
    return ExplainStep(station="session", passed=bool(peer.awaiting), text=f"{name} is down: {reason}{kept}")


def next_hops(state: State, prefix: Prefix) -> Iterator[ExplainStep]:
    """How each accepted path's next hop is reached."""
    for path in state.learning.rib.candidates(prefix):
        if path.next_hop is None:
            continue
        way = state.learning.selection.way(path.next_hop)
        if isinstance(way, Resolved):
            hops = ", ".join(f"{hop.via} dev {hop.device}{' onlink' if hop.onlink else ''}" for hop in way.hops)
            through = " through ".join(map(str, way.through))
            worry = f"; as a last resort: {way.failing}" if way.failing else ""
            text = f"{path.next_hop} is reached by {hops} (covered by {through}){worry}"
            yield ExplainStep(station="next hop", passed=True, text=text)
        else:
            text = f"{path.next_hop} is unresolved: {way.reason}"
            yield ExplainStep(station="next hop", passed=False, text=text)


def exports(state: State, choice: Choice) -> Iterator[ExplainStep]:
    """Who is told of it, and who is not."""
    if state.orders is None:
        return
    told, reasons = [], dict[str, list[str]]()
    for each in state.up:
        said = verdict_of(choice.best, each, state.orders.export, state.programmed)
        if isinstance(said, Announced):
            told.append(each.name)
        else:
            reason = f"{said.reason} ({said.detail})" if said.detail else said.reason
            reasons.setdefault(reason, []).append(each.name)
    if told:
        yield ExplainStep(station="export", passed=True, text=f"announced to {', '.join(told)}")
    for reason, names in reasons.items():
        yield ExplainStep(station="export", passed=True, text=f"not announced to {', '.join(names)}: {reason}")
