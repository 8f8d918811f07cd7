"""`birdpy config`: the sessions and policy that a node should have, from the datastore alone."""

from typing import BinaryIO

import click
import msgspec

from birdpy.cli.offline import read_resources, the_node
from birdpy.desired.comparison import SessionChange, comparison
from birdpy.desired.document import ConfigDocument, SessionDocument, document
from birdpy.policy.sessions import SpeakerSettings
from felixpy.model.errors import Usage
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


CHANGES: tuple[Column[SessionChange], ...] = (
    Column("SESSION", lambda c: c.session),
    Column("ADDRESS", lambda c: c.address),
    Column("EFFECT", lambda c: c.effect),
    Column("FIELDS", lambda c: c.fields),
)


@click.command()
@click.option("--node", metavar="NAME", shell_complete=complete_node, help="The node. Default: this machine.")
@click.option("--router-id", envvar="BIRDPY_ROUTER_ID", default="", help="An IPv4 address, or hash.")
@click.option("--namespace", envvar="NAMESPACE", default="kube-system", help="Where the Secrets with passwords are.")
@click.option(
    "--since", type=click.File("rb"), help="An earlier answer (-o json): print what becomes of the sessions instead."
)
@click.option("-o", "--output", type=click.Choice(OUTPUTS), default="json", show_default=True, help="How to print.")
@datastore_options
def config(
    *,
    node: str | None,
    router_id: str,
    namespace: str,
    since: BinaryIO | None,
    output: str,
    datastore: str | None,
    lab: str | None,
) -> None:
    """Print the sessions and policy a node should have; needs no daemon.

    \b
    Examples:
      birdpy config --node n1
      birdpy config --node n1 --datastore files:/etc/felixpy/store -o wide
      birdpy config --node n1 > before.json
      birdpy config --node n1 --since before.json -o table
    """
    snapshot = read_resources(datastore, lab)
    wanted = the_node(snapshot, node or this_node())
    made, problems = document(snapshot, wanted, SpeakerSettings(router_id=router_id, namespace=namespace))
    for problem in (*snapshot.problems.values(), *problems):
        click.echo(f"birdpy: {problem}", err=True)
    if since is None:
        emit(made, COLUMNS, made.sessions, output)
    else:
        compared = comparison(_earlier(since), made)
        emit(compared, CHANGES, compared.sessions, output)


def _earlier(since: BinaryIO) -> ConfigDocument:
    try:
        return msgspec.json.decode(since.read(), type=ConfigDocument)
    except msgspec.MsgspecError as error:
        raise Usage(f"--since: not an answer of birdpy config -o json: {error}") from error
