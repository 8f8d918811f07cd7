"""Join: `felixpy trace`: the way between two pods and back, from every node's tables, and one probe as its proof."""

import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence

import click
import msgspec

from felixpy.cli.viewing import missing, network, resources, targets_of
from felixpy.insight.trace import Direction, Place, Station, places, trace
from felixpy.insight.view import NetworkView
from felixpy.model.addresses import Address, parse_address
from felixpy.model.errors import Trouble, Usage
from felixpy.model.probe import ProbeResult
from felixpy.model.resources import Resource, WorkloadEndpoint
from felixpy.model.snapshot import Snapshot
from felixpy.model.status import Record
from felixpy.show.options import complete_lab
from felixpy.show.output import as_json, as_yaml, escaped, output_option
from felixpy.show.remote import run_on
from felixpy.show.target import Target

SMALL = 84  # bytes: what `ping` sends
PATIENCE_S = 10.0


class TraceResult(Record, frozen=True):
    """The document of `felixpy trace`."""

    there: Direction
    back: Direction
    probe: ProbeResult | None = None  # a small packet
    full_size: ProbeResult | None = None  # one of the way's MTU, with DF
    first_failure: Station | None = None
    missing: dict[str, str] = msgspec.field(default_factory=dict)


@click.command(
    "trace",
    epilog="""\b
Examples:
  felixpy trace default/a default/c
  felixpy trace a 10.65.1.2 --lab quickstart
  felixpy trace a c --no-probe -o json
""",
)
@click.argument("source")
@click.argument("destination")
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab that both are in, when several run.")
@click.option("--datastore", metavar="WHERE", help="files:DIR or kubernetes[:KUBECONFIG]; a lab's own by default.")
@click.option("--no-probe", is_flag=True, help="Send nothing; only look.")
@output_option
def trace_command(
    *, source: str, destination: str, lab: str | None, datastore: str | None, no_probe: bool, output: str
) -> None:
    """Hop by hop from SOURCE to DESTINATION and back; each a pod (NAME or NAMESPACE/NAME) or an address.

    Every hop is looked up in that node's own tables, so this works on a broken network. One ping with the pod's own
    source then proves it, and one of the way's full size. Exit 1 with the first hop that fails and what mends it.
    """
    targets, view, ends = looked(targets_of(lab, datastore=datastore), datastore, source, destination)
    there, back = trace(view, *ends), trace(view, ends[1], ends[0])
    small = full = None
    if not no_probe and ends[0].node:
        small = _probe(ends, SMALL, targets)
        full = _probe(ends, there.mtu, targets) if small and small.answered and there.mtu > SMALL else None
    result = TraceResult(
        there=there, back=back, probe=small, full_size=full, first_failure=_first(there, back, small, full),
        missing=dict(missing(view)),
    )  # fmt: skip
    if output in ("json", "yaml"):
        click.echo(as_json(result) if output == "json" else as_yaml(result), nl=False)
    else:
        _show(result, wide=output == "wide")
    raise SystemExit(1 if result.first_failure else 0)


def looked(
    known: Sequence[Target], datastore: str | None, source: str, destination: str
) -> tuple[Sequence[Target], NetworkView, list[Place]]:
    """The nodes of `known` that were asked for this trace, what they hold, and where its two ends are."""
    snapshot = resources(known, datastore)
    addresses = ends_of(snapshot.of(WorkloadEndpoint).values(), source, destination)
    targets = concerned(known, snapshot, addresses)
    view = network(targets, snapshot, about=[str(address) for address in addresses])
    return targets, view, [places(view, address) for address in addresses]


def ends_of(endpoints: Iterable[Resource[WorkloadEndpoint]], *names: str) -> list[Address]:
    """The address of each name, all of one family when that can be. Usage when a name is no pod and no address."""
    known = list(endpoints)
    each = [_addresses(known, name) for name in names]
    for version in (4, 6):
        chosen = [next((it for it in found if it.version == version), None) for found in each]
        if all(chosen):
            return [it for it in chosen if it is not None]
    said = "; ".join(f"{name}: {', '.join(map(str, found))}" for name, found in zip(names, each, strict=True))
    raise Usage(f"they have no address family in common: {said}")


def concerned(targets: Sequence[Target], snapshot: Snapshot, addresses: Collection[Address]) -> Sequence[Target]:
    """Of a cluster's nodes those that have these pods, for asking one takes a second. All, where one is no pod's."""
    if not any(target.cluster for target in targets):
        return targets
    nodes: set[str] = set()
    for address in addresses:
        pods = (it.spec for it in snapshot.of(WorkloadEndpoint).values())
        having = {it.node for it in pods if any(address in network for network in it.ip_networks)}
        if not having:
            return targets
        nodes |= having
    return [target for target in targets if target.node in nodes]


def _addresses(endpoints: Iterable[Resource[WorkloadEndpoint]], name: str) -> list[Address]:
    try:
        return [parse_address(name)]
    except ValueError:
        pass
    namespace, slash, pod = name.rpartition("/")
    found = [it for it in endpoints if it.spec.pod == pod and (not slash or it.meta.namespace == namespace)]
    if not found:
        raise Usage(f"{name!r} is no address and no pod; felixpy pod list shows the pods")
    if len({(it.meta.namespace, it.spec.pod) for it in found}) > 1:
        several = ", ".join(f"{it.meta.namespace}/{it.spec.pod}" for it in found)
        raise Usage(f"{name!r} is several pods, name one: {several}")
    return [prefix.network_address for it in found for prefix in it.spec.ip_networks]


def _probe(ends: Sequence[Place], size: int, targets: Collection[Target]) -> ProbeResult | None:
    """One ping sent on the source's node; None when this process cannot get there."""
    target = next(it for it in targets if it.node == ends[0].node)
    source, destination = ends[0].address, ends[1].address
    if target.here:
        from felixpy.kernel.probe import probe

        return probe(parse_address(source), parse_address(destination), size)
    argv = ("felixpy", "probe", source, destination, "--size", str(size), "-o", "json")
    try:
        return msgspec.json.decode(_run_on(target, argv), type=ProbeResult)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Trouble(f"no probe could be sent from {target.node}: {error}") from error


def _run_on(target: Target, argv: Sequence[str]) -> bytes:
    """What a command prints on the node; it may fail, and say why in its answer."""
    if target.cluster:
        return run_on(target.cluster, target.node, "felixpy", argv, may_fail=True)
    from felixpy.lab.enter import run_in
    from felixpy.lab.registry import find_lab

    return run_in(find_lab(target.lab), target.node, argv, timeout=PATIENCE_S).stdout.encode()


def _first(there: Direction, back: Direction, small: ProbeResult | None, full: ProbeResult | None) -> Station | None:
    """The first station that fails: on the way there, back, then what only the probe could know."""
    failure = there.failure or back.failure
    if failure is not None:
        return failure
    node = there.source.node
    if small is not None and not small.answered:
        text = f"{small.by or 'nobody'}: {small.text}"
        fix = "every table is right: look for a firewall (nft list ruleset, FORWARD policy) on the nodes of the way"
        return Station(node=node, what="probe", passed=False, text=text, fix=fix)
    if full is not None and not full.answered:
        hint = f"the path takes {full.mtu} bytes" if full.mtu else "an MTU on the way is smaller than the links' own"
        text = f"{full.size} bytes with DF: {full.text}; {hint}"
        fix = "set the pods' MTU (FelixConfiguration mtu) to what the path takes, or mend the link"
        return Station(node=node, what="path MTU", passed=False, text=text, fix=fix)
    return None


def _show(result: TraceResult, *, wide: bool) -> None:
    for title, direction in (("there", result.there), ("back", result.back)):
        click.echo(f"{title}: {direction.source.name} ({direction.source.address}) to {direction.destination.name}")
        for line in _drawn(direction, wide=wide):
            click.echo(line)
    for probe in (result.probe, result.full_size):
        if probe is not None:
            said = f"answered in {probe.rtt_ms} ms" if probe.answered else f"{probe.by or 'nobody'}: {probe.text}"
            click.echo(f"probe: {probe.size} bytes: {said}")
    for who, reason in result.missing.items():
        click.echo(f"felixpy: not asked: {who}: {reason}", err=True)
    if result.first_failure is not None:
        failure = result.first_failure
        click.echo(f"FAILS at {failure.node or 'the source'}, {failure.what}: {failure.text}")
        click.echo(f"  fix: {failure.fix}")


def _drawn(direction: Direction, *, wide: bool) -> Iterator[str]:
    node = ""
    for station in direction.stations:
        if station.node != node:
            node = station.node
            yield f"  {node}"
        if wide or not station.passed or station.what in ("pod", "route", "delivery"):
            mark = "|" if station.passed else "X"
            yield f"  {mark}  {station.what}: {escaped(station.text)}"
