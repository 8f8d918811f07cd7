"""`birdpy config`: the sessions and policy that a node should have, from the datastore alone."""

import click

from birdpy.cli.offline import read_resources, the_node
from birdpy.desired.document import SessionDocument, document
from birdpy.policy.sessions import SpeakerSettings
from felixpy.show.options import complete_node, datastore_options
from felixpy.show.output import OUTPUTS, Column, emit
from felixpy.show.target import this_node

COLUMNS: tuple[Column[SessionDocument], ...] = (
    Column("NAME", lambda s: s.name),
    Column("ADDRESS", lambda s: s.address),
    Column("PORT", lambda s: s.port, wide=True),
    Column("AS", lambda s: s.peer_as),
    Column("LOCAL AS", lambda s: s.local_as, wide=True),
    Column("PASSIVE", lambda s: s.passive),
    Column("PASSWORD", lambda s: s.password, wide=True),
    Column("CLIENT", lambda s: s.route_reflector_client),
    Column("NEXT HOP", lambda s: s.next_hop_mode, wide=True),
    Column("IMPORT FILTERS", lambda s: s.import_filters, wide=True),
    Column("EXPORT FILTERS", lambda s: s.export_filters, wide=True),
    Column("HELD DOWN", lambda s: s.held_down),
)


@click.command()
@click.option("--node", metavar="NAME", shell_complete=complete_node, help="The node. Default: this machine.")
@click.option("--router-id", envvar="BIRDPY_ROUTER_ID", default="", help="An IPv4 address, or hash.")
@click.option("--namespace", envvar="NAMESPACE", default="kube-system", help="Where the Secrets with passwords are.")
@click.option("-o", "--output", type=click.Choice(OUTPUTS), default="json", show_default=True, help="How to print.")
@datastore_options
def config(
    *, node: str | None, router_id: str, namespace: str, output: str, datastore: str | None, lab: str | None
) -> None:
    """Print the sessions and policy a node should have; needs no daemon.

    \b
    Examples:
      birdpy config --node n1
      birdpy config --node n1 --datastore files:/etc/felixpy/store -o wide
    """
    snapshot = read_resources(datastore, lab)
    wanted = the_node(snapshot, node or this_node())
    made, problems = document(snapshot, wanted, SpeakerSettings(router_id=router_id, namespace=namespace))
    for problem in (*snapshot.problems.values(), *problems):
        click.echo(f"birdpy: {problem}", err=True)
    emit(made, COLUMNS, made.sessions, output)
