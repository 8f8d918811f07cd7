"""Join: `felixpy top`: every node in one line, live."""

from dataclasses import dataclass

import click

from felixpy.cli.viewing import network, resources, targets_of
from felixpy.insight.view import NodeView
from felixpy.model.resources import Node
from felixpy.model.status import Record
from felixpy.show.options import complete_lab
from felixpy.show.output import Column, emit, output_option
from felixpy.show.watching import repeat


class NodeLine(Record, frozen=True):
    """One node of `felixpy top`; None where nobody answered."""

    node: str
    felixpy: str  # ready | not ready | silent
    birdpy: str
    sessions: int | None
    sessions_up: int | None
    pods: int | None
    pods_up: int | None
    routes: int | None
    installed: int | None
    refused: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """The document of `felixpy top`."""

    nodes: tuple[NodeLine, ...]


@click.command(
    epilog="""\b
Examples:
  felixpy top
  felixpy top --once -o json
"""
)
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab to look at, when several run.")
@click.option("--datastore", metavar="WHERE", help="files:DIR or kubernetes[:KUBECONFIG]; a lab's own by default.")
@click.option("--once", is_flag=True, help="One look instead of one a second.")
@output_option
def top(*, lab: str | None, datastore: str | None, once: bool, output: str) -> None:
    """Every node in one line, live: daemons, sessions, pods, routes wanted and installed, what is refused."""
    targets = targets_of(lab, datastore=datastore)

    def show() -> None:
        snapshot = resources(targets, datastore)
        view = network(targets, snapshot, about=["0.0.0.0"])  # noqa: S104 - no route but the default's is of interest
        members = [it for name, it in view.nodes.items() if name in snapshot.of(Node) or it.health]
        lines = Lines(tuple(node_line(it) for it in members))
        emit(lines, COLUMNS, lines.nodes, output)

    repeat(show, watch=not once)


def node_line(node: NodeView) -> NodeLine:
    """What is to be said of a node in one line."""
    peers = node.peers.peers if node.peers else None
    pods = node.endpoints.endpoints if node.endpoints else None
    routes = [row for row in node.routes.routes if row.wanted] if node.routes else None
    healths = node.health.values()
    reasons = [why for health in healths for why in (*health.stuck, *health.unready)]
    reasons += [condition.message for health in healths for condition in health.conditions]
    return NodeLine(
        node=node.name,
        felixpy=_daemon(node, "felixpy"),
        birdpy=_daemon(node, "birdpy"),
        sessions=None if peers is None else len(peers),
        sessions_up=None if peers is None else sum(peer.state == "established" for peer in peers),
        pods=None if pods is None else len(pods),
        pods_up=None if pods is None else sum(pod.state == "up" for pod in pods),
        routes=None if routes is None else len(routes),
        installed=None if routes is None else sum(row.installed is True for row in routes),
        refused=sum(len(health.refused) for health in healths),
        trouble=reasons[0] if reasons else "",
    )


def _daemon(node: NodeView, daemon: str) -> str:
    health = node.health.get(daemon)
    return "silent" if health is None else "ready" if health.ready else "not ready"


def _of(part: int | None, whole: int | None) -> str:
    return "" if whole is None else f"{part}/{whole}"


COLUMNS: tuple[Column[NodeLine], ...] = (
    Column("NODE", lambda it: it.node),
    Column("FELIXPY", lambda it: it.felixpy),
    Column("BIRDPY", lambda it: it.birdpy),
    Column("SESSIONS UP", lambda it: _of(it.sessions_up, it.sessions)),
    Column("PODS UP", lambda it: _of(it.pods_up, it.pods)),
    Column("ROUTES INSTALLED", lambda it: _of(it.installed, it.routes)),
    Column("REFUSED", lambda it: it.refused),
    Column("TROUBLE", lambda it: it.trouble),
)
