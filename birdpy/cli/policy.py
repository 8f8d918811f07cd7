"""`birdpy policy`: what policy would do, from the datastore alone."""

import sys
from typing import cast

import click
import msgspec

from birdpy.cli.offline import read_resources, the_node
from birdpy.desired.trial import TrialAnswer, TrialRoute, find_session, trial
from birdpy.policy.filters import Direction
from birdpy.policy.sessions import speaker
from felixpy.model.errors import Usage
from felixpy.show.options import complete_node, datastore_options
from felixpy.show.output import OUTPUTS, Column, emit
from felixpy.show.target import this_node

COLUMNS: tuple[Column[TrialAnswer], ...] = (
    Column("ACTION", lambda a: a.action),
    Column("RULE", lambda a: a.rule),
    Column("PREFIX", lambda a: a.route.prefix),
    Column("NEXT HOP", lambda a: a.route.next_hop),
    Column("AS PATH", lambda a: a.route.as_path),
    Column("LOCAL PREF", lambda a: a.route.local_pref),
    Column("COMMUNITIES", lambda a: (*a.route.communities, *a.route.large_communities)),
)


@click.group()
def policy() -> None:
    """What filters, guards and export rules do to a route.

    \b
    Examples:
      birdpy policy test --node n1 --peer 10.0.0.254 --direction import --route '{"prefix": "0.0.0.0/0"}'
    """


@policy.command("test")
@click.option("--node", metavar="NAME", shell_complete=complete_node, help="The node. Default: this machine.")
@click.option("--peer", metavar="PEER", required=True, help="A peer's address or a session's name.")
@click.option("--direction", type=click.Choice(("import", "export")), required=True)
@click.option("--route", metavar="JSON", required=True, help="The route; - reads it from stdin.")
@click.option("-o", "--output", type=click.Choice(OUTPUTS), default="json", show_default=True, help="How to print.")
@datastore_options
def test(
    *, node: str | None, peer: str, direction: str, route: str, output: str, datastore: str | None, lab: str | None
) -> None:
    """Say what would happen to a route at a peer, and which rule decides; needs no daemon.

    The route is a JSON object: prefix, and where they matter next_hop, as_path, local_pref, med, communities,
    large_communities, source (bgp, local, static, kernel), interface.

    \b
    Examples:
      birdpy policy test --node n1 --peer 10.0.0.254 --direction import --route '{"prefix": "0.0.0.0/0"}'
      birdpy policy test --node n1 --peer Mesh_10_0_0_2 --direction export \\
        --route '{"prefix": "10.65.0.0/26", "source": "local"}'
    """
    snapshot = read_resources(datastore, lab)
    here = speaker(snapshot, the_node(snapshot, node or this_node()))
    try:
        wanted = msgspec.json.decode(sys.stdin.buffer.read() if route == "-" else route.encode(), type=TrialRoute)
        answer = trial(snapshot, here, find_session(here, peer), cast("Direction", direction), wanted)
    except msgspec.MsgspecError as error:
        raise Usage(f"--route: {error}; its fields: {', '.join(TrialRoute.__struct_fields__)}") from None
    except ValueError as error:
        raise Usage(str(error)) from None
    emit(answer, COLUMNS, [answer], output)
