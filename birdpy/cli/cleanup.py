"""Join: `birdpy cleanup`."""

import asyncio
from pathlib import Path

import click

from birdpy import before, config, saved
from birdpy.cli.offline import read_resources
from felixpy.daemon.paths import run_dir, state_dir, sysctl_dir
from felixpy.daemon.pidfile import claim
from felixpy.kernel.routes import KernelRoutes
from felixpy.kernel.sysctls import KernelSysctls
from felixpy.kernel.watched import WatchedNeighbours
from felixpy.model.addresses import Prefix, contains
from felixpy.model.errors import Trouble, Unreachable, Usage
from felixpy.model.resources import IPPool
from felixpy.model.routes import LOCAL_TABLE, Route, RouteKey
from felixpy.reconcile.plan import Plan
from felixpy.show.options import complete_node, datastore_options
from felixpy.show.target import this_node


@click.command(
    epilog="""\b
Examples:
  birdpy cleanup --dry-run
  birdpy cleanup --datastore files:/var/lib/felixpy/store
"""
)
@click.option(
    "--node", metavar="NODE", shell_complete=complete_node, help="Whose saved state. Default: this machine."
)
@click.option("--protocol", type=click.IntRange(5, 255), default=config.Settings().protocol, show_default=True)
@click.option("--metric", type=click.IntRange(1, 0xFFFFFFFF), default=config.Settings().metric, show_default=True)
@click.option("--dry-run", is_flag=True, help="Only list what would go.")
@datastore_options
def cleanup(
    *, node: str | None, protocol: int, metric: int, dry_run: bool, datastore: str | None, lab: str | None
) -> None:
    """Remove birdpy's routes from this machine's kernel, after birdpy was stopped, and put settings back.

    Ours have its protocol number and metric, and lie in a pool or were written down by birdpy. Drain first: peers may
    still send packets.
    """
    held = claim(run_dir() / "birdpy.pid", "birdpy")
    try:
        pools = _pools(datastore, lab)
        given = saved.load(state_dir() / "birdpy.json", node or this_node())

        def ours(key: RouteKey, _route: Route) -> bool:
            return (
                key.table == LOCAL_TABLE or key.prefix in given or any(contains(pool, key.prefix) for pool in pools)
            )

        table = KernelRoutes(protocol, (metric,), ours, shared=True)
        neighbours = WatchedNeighbours(protocol)
        try:
            asyncio.run(_remove(table, dry_run=dry_run))
            asyncio.run(_forget(neighbours, run_dir() / before.FILE_NAME, dry_run=dry_run))
        finally:
            table.close()
            neighbours.close()
    finally:
        held.release()


async def _remove(table: KernelRoutes, *, dry_run: bool) -> None:
    found = await table.read()
    assert table.nexthops is not None
    nexthops = table.nexthops.unused(found.keys())
    refused = {} if dry_run else await table.apply(Plan({}, frozenset(found)))
    for key in sorted(found.keys() - refused.keys(), key=str):
        click.echo(f"route {key.prefix}")
    for number in sorted(nexthops):
        click.echo(f"nexthop {number}")
    for other in sorted(str(key.prefix) for key in table.strangers):
        click.echo(f"route {other} stays: not in a pool, not written down, or of another metric", err=True)
    if refused:
        raise Trouble("; ".join(map(str, refused.values())))


async def _forget(neighbours: WatchedNeighbours, kept_at: Path, *, dry_run: bool) -> None:
    """The neighbours that the kernel kept for birdpy, and the settings that birdpy changed."""
    found, settings, sysctls = await neighbours.read(), before.load(kept_at), KernelSysctls(sysctl_dir())
    refused = {} if dry_run else await neighbours.apply(Plan({}, frozenset(found)))
    for key in sorted(found.keys() - refused.keys(), key=str):
        click.echo(f"neighbour {key.address} dev {key.device}")
    changed = before.still_ours(sysctls, settings) if dry_run else await before.put_back(sysctls, settings)
    for setting in sorted(changed, key=str):
        click.echo(f"setting {setting.path} back to {settings[setting]}")
    if not dry_run:
        before.save(kept_at, {})


def _pools(datastore: str | None, lab: str | None) -> list[Prefix]:
    try:
        return [pool.spec.cidr for pool in read_resources(datastore, lab, (IPPool,)).of(IPPool).values()]
    except (Unreachable, Usage) as error:
        click.echo(f"no pools: {error}; only what birdpy wrote down is known as its own", err=True)
        return []
