"""Join: `felixpy ui`: the page, served on loopback until Ctrl-C."""

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from felixpy.show.options import complete_lab

if TYPE_CHECKING:
    from felixpy.cli.seen import Seen

EVERY_S, EVERY_IN_CLUSTER_S = 1.0, 10.0  # between two looks; in a cluster each one is several calls of the API a node


@click.command(
    epilog="""\b
Examples:
  felixpy ui
  felixpy ui --lab quickstart --port 8080
  felixpy ui --datastore kubernetes:$HOME/.kube/config
"""
)
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab to show, when several run.")
@click.option("--datastore", metavar="WHERE", help="files:DIR or kubernetes[:KUBECONFIG]; a lab's own by default.")
@click.option("--port", type=click.IntRange(0, 65535), default=8179, show_default=True, help="0: any free one.")
@click.option("--listen", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--allow-host", metavar="NAME", multiple=True, help="A further name that browsers or a proxy ask by.")
@click.option("--every", metavar="SECONDS", type=click.FloatRange(min=0.1), help="Between two looks; 1, cluster: 10.")
def ui(
    *, lab: str | None, datastore: str | None, port: int, listen: str, allow_host: tuple[str, ...],
    every: float | None,
) -> None:  # fmt: skip
    """Show the network as a page: the topology live, routes of a node, a prefix on all nodes, a trace.

    It only shows: nothing can be changed, nothing is loaded from elsewhere. Whoever can reach the address can read
    the page, so it is on loopback unless --listen says otherwise. Behind a proxy it works under any path;
    --allow-host then permits the name that the proxy asks by.
    """
    from felixpy.cli.seen import Seen

    seen = Seen(lab, datastore)
    pause = every or (EVERY_IN_CLUSTER_S if seen.cluster else EVERY_S)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(seen, (listen, port), allow_host, pause))


async def _serve(seen: "Seen", where: tuple[str, int], allowed: tuple[str, ...], pause: float) -> None:
    from felixpy.ui.http import LOOPBACK
    from felixpy.ui.live import Live
    from felixpy.ui.server import Site, serve

    live = Live(seen.look, pause)
    hosts = {*LOOPBACK, *(name.lower() for name in allowed)}
    answers = {
        "/node": seen.node, "/prefix": seen.prefix, "/trace": seen.trace, "/pods": seen.pods, "/past": seen.past,
        "/span": seen.span,
    }  # fmt: skip
    server = await serve(Site(live, answers, hosts), *where)
    host, port = server.sockets[0].getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"http://{shown}:{port}/")
    click.echo("felixpy: Ctrl-C ends it", err=True)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where whoever started us had them ignored
        loop.add_signal_handler(number, ended.set)
    async with server:
        tasks = [asyncio.ensure_future(it) for it in (live.run(), server.serve_forever(), ended.wait())]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in done:
            task.result()
