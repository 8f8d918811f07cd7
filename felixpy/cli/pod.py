"""`felixpy pod`: pods without a container runtime, through the same plugin."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from felixpy.model.errors import Trouble, Unreachable, Usage
from felixpy.model.resources import Resource, WorkloadEndpoint
from felixpy.show.options import complete_lab, complete_node, datastore_options
from felixpy.show.output import Column, emit, output_option
from felixpy.show.target import Target, resolve

NODE = click.option(
    "--node", metavar="NODE", shell_complete=complete_node, help="The node that the pod lives on. Default: this one."
)
LAB = click.option(
    "--lab", metavar="NAME", shell_complete=complete_lab, help="Which lab; needed only when several have the node."
)
NAMESPACE = click.option("-n", "--namespace", default="default", show_default=True, help="The pod's namespace.")


def say(text: str) -> None:
    """Everything but the result goes to stderr."""
    click.echo(text, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def pod() -> None:
    """Pods made by hand: a network namespace, attached as a container runtime would attach it.

    \b
    Examples:
      felixpy pod add web --node n1
      felixpy pod list
      felixpy lab exec n1/web -- ping -c1 10.65.0.66
      felixpy pod delete web --node n1
    """


@pod.command()
@click.argument("name")
@NODE
@NAMESPACE
@click.option("--ip", "addresses", multiple=True, metavar="ADDRESS", help="Exactly this address; may be repeated.")
@click.option("--ipv4-pool", "ipv4_pools", multiple=True, metavar="POOL", help="Only from this pool (name or CIDR).")
@click.option("--ipv6-pool", "ipv6_pools", multiple=True, metavar="POOL", help="Only from this pool (name or CIDR).")
@click.option("--mtu", default=0, help="Default: the smallest of the node's uplinks.")
@output_option
@LAB
def add(
    name: str,
    node: str | None,
    namespace: str,
    addresses: tuple[str, ...],
    ipv4_pools: tuple[str, ...],
    ipv6_pools: tuple[str, ...],
    mtu: int,
    output: str,
    lab: str | None,
) -> None:
    """Make the pod NAME on a node.

    \b
    Example:
      felixpy pod add web --node n1
    """
    from felixpy.cni.pods import Pod, Wanted
    from felixpy.cni.pods import add as make

    _check_names(name, namespace)
    target = _arrive(resolve(node, lab))
    result = make(Pod(name, namespace, target.run_dir), Wanted(addresses, ipv4_pools, ipv6_pools, mtu), say)
    made = {
        "name": name,
        "namespace": namespace,
        "node": target.node,
        "addresses": [str(ip["address"]).partition("/")[0] for ip in result["ips"]],
        "interface": result["interfaces"][0]["name"],
        "mac": result["interfaces"][1]["mac"],
    }
    emit(made, _MADE, [made], output)


@pod.command()
@click.argument("name")
@NODE
@NAMESPACE
@LAB
def delete(name: str, node: str | None, namespace: str, lab: str | None) -> None:
    """Remove the pod NAME from a node.

    \b
    Example:
      felixpy pod delete web --node n1
    """
    from felixpy.cni.pods import Pod, container_of
    from felixpy.cni.pods import delete as remove

    _check_names(name, namespace)
    target = _arrive(resolve(node, lab))
    wanted = Pod(name, namespace, target.run_dir)
    container = container_of(wanted)
    if not container and not wanted.netns.exists():
        raise Trouble(f"node {target.node} has no pod {namespace}/{name} made by felixpy pod add")
    remove(wanted, container or name, say)
    click.echo(f"pod {namespace}/{name} deleted from {target.node}")


@pod.command("list")
@NODE
@output_option
@datastore_options
def list_(node: str | None, output: str, datastore: str | None, lab: str | None) -> None:
    """The pods of the cluster, or of one node; `state` is what the node's agent says of them.

    \b
    Example:
      felixpy pod list -o json
    """
    from felixpy.datastore.open import open_datastore

    endpoints = asyncio.run(_endpoints(open_datastore(datastore, lab)))
    wanted = [endpoint for endpoint in endpoints if node in (None, endpoint.spec.node)]
    states = {name: _states(name, lab) for name in {endpoint.spec.node for endpoint in wanted}}
    rows = [_row(endpoint, states[endpoint.spec.node]) for endpoint in wanted]
    rows.sort(key=lambda row: (row.node, row.namespace, row.name))
    emit({"pods": rows}, _LISTED, rows, output)


@dataclass(frozen=True, slots=True)
class Row:
    """One pod of the list."""

    name: str
    namespace: str
    node: str
    addresses: tuple[str, ...]
    interface: str
    state: str  # up | down | shadowed, or unknown with the reason
    reason: str
    container: str


async def _endpoints(store: Any) -> list[Resource[WorkloadEndpoint]]:
    try:
        return list((await store.list(WorkloadEndpoint)).objects.values())
    finally:
        await store.close()


def _states(node: str, lab: str | None) -> Mapping[str, tuple[str, str]] | str:
    """State and reason of each endpoint by name, as its agent says; the agent's absence as a sentence."""
    try:
        answer = resolve(node, lab).ask("felixpy", "endpoints")
    except Trouble as error:
        return "no agent answers" if isinstance(error, Unreachable) else str(error)
    return {one["name"]: (one["state"], one.get("reason", "")) for one in answer["endpoints"]}


def _row(endpoint: Resource[WorkloadEndpoint], states: Mapping[str, tuple[str, str]] | str) -> Row:
    spec = endpoint.spec
    if isinstance(states, str):
        state, reason = "unknown", states
    else:
        state, reason = states.get(endpoint.name, ("unknown", "its agent does not know it"))
    return Row(
        name=spec.pod or spec.workload,
        namespace=endpoint.meta.namespace,
        node=spec.node,
        addresses=tuple(str(network.network_address) for network in spec.ip_networks),
        interface=spec.interface_name,
        state=state,
        reason=reason,
        container=spec.container_id,
    )


def _check_names(*names: str) -> None:
    from felixpy.datastore.metadata import check_name

    for name in names:
        if problem := check_name(name):
            raise Usage(f"name of a pod or namespace: {problem}")


def _arrive(target: Target) -> Target:
    """The target when this process is on it; else the same command is run inside the lab's node, for good."""
    if target.here:
        return target
    from felixpy.lab import enter, registry

    enter.become(registry.find_lab(target.lab), target.node, inside(sys.argv[1:]))
    raise Trouble(f"node {target.node} of lab {target.lab} cannot be entered")


def inside(arguments: Sequence[str]) -> list[str]:
    """The same command for a process inside the node, which has no labs: without `--lab`."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if not skip and argument != "--lab" and not argument.startswith("--lab="):
            kept.append(argument)
        skip = argument == "--lab"
    return [sys.executable, "-m", "felixpy", *kept]


_MADE: list[Column[Mapping[str, Any]]] = [
    Column("POD", lambda row: row["name"]),
    Column("NAMESPACE", lambda row: row["namespace"], wide=True),
    Column("NODE", lambda row: row["node"]),
    Column("ADDRESSES", lambda row: row["addresses"]),
    Column("INTERFACE", lambda row: row["interface"]),
    Column("MAC", lambda row: row["mac"], wide=True),
]
_LISTED: list[Column[Row]] = [
    Column("POD", lambda row: row.name),
    Column("NAMESPACE", lambda row: row.namespace),
    Column("NODE", lambda row: row.node),
    Column("ADDRESSES", lambda row: row.addresses),
    Column("INTERFACE", lambda row: row.interface),
    Column("STATE", lambda row: row.state),
    Column("REASON", lambda row: row.reason),
    Column("CONTAINER", lambda row: row.container, wide=True),
]
