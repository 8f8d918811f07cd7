"""Join: `felixpy cleanup`."""

import asyncio

import click

from felixpy.config import Settings
from felixpy.daemon.paths import run_dir
from felixpy.daemon.pidfile import claim, claim_namespace
from felixpy.datastore.open import open_datastore
from felixpy.kernel import guard
from felixpy.kernel.neighbours import KernelNeighbours
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.routes import KernelRoutes
from felixpy.model.addresses import Prefix, contains
from felixpy.model.errors import Trouble, Unreachable, Usage
from felixpy.model.resources import IPPool
from felixpy.model.routes import Device, Route, RouteKey
from felixpy.model.snapshot import Snapshot
from felixpy.reconcile.plan import Plan
from felixpy.show.options import datastore_options
from felixpy.surroundings import METRICS


@click.command(
    epilog="""\b
Examples:
  felixpy cleanup --dry-run
  felixpy cleanup --datastore files:/var/lib/felixpy/store
"""
)
@click.option("--protocol", type=click.IntRange(5, 255), default=Settings().protocol, show_default=True)
@click.option("--interface-prefix", "prefixes", multiple=True, default=("cali",), show_default=True)
@click.option("--dry-run", is_flag=True, help="Only list what would go.")
@datastore_options
def cleanup(
    *, protocol: int, prefixes: tuple[str, ...], dry_run: bool, datastore: str | None, lab: str | None
) -> None:
    """Remove felixpy's routes, neighbours and source check from this machine's kernel, after felixpy was stopped.

    The pods' interfaces stay: their settings go with them when the runtime deletes the pods.
    """
    held = claim(run_dir() / "felixpy.pid", "felixpy")
    try:
        alone = claim_namespace(f"felixpy.routes.{protocol}", "felixpy")
        try:
            refused = asyncio.run(_remove(protocol, prefixes, asyncio.run(_pools(datastore, lab)), dry_run=dry_run))
        finally:
            alone.close()
    finally:
        held.release()
    if refused:
        raise Trouble("; ".join(refused))


async def _remove(protocol: int, prefixes: tuple[str, ...], pools: list[Prefix], *, dry_run: bool) -> list[str]:
    """List what is ours and, unless `dry_run`, remove it; what was refused."""

    def pods(device: Device) -> bool:
        return device.startswith(prefixes)

    def ours(key: RouteKey, route: Route) -> bool:
        on_pod = route.device is not None and pods(route.device)
        return on_pod or any(contains(pool, key.prefix) for pool in pools)

    netlink = Netlink()
    try:
        routes, neighbours = KernelRoutes(protocol, METRICS, ours, netlink), KernelNeighbours(pods, netlink)
        found, entries = await routes.read(), await neighbours.read()
        refused: list[str] = []
        if not dry_run:
            refused += map(str, (await neighbours.apply(Plan({}, frozenset(entries)))).values())
            refused += map(str, (await routes.apply(Plan({}, frozenset(found)))).values())
    finally:
        netlink.close()
    for name in sorted(f"route {key.prefix}" for key in found):
        click.echo(name)
    for name in sorted(f"neighbour {key.address} dev {key.device}" for key in entries):
        click.echo(name)
    for name in sorted(str(key.prefix) for key in routes.strangers):
        click.echo(f"route {name} stays: on no pod's interface and in no pool", err=True)
    return refused + await _remove_guard(dry_run=dry_run)


async def _remove_guard(*, dry_run: bool) -> list[str]:
    table = f"nftables table {guard.FAMILY} {guard.TABLE}"
    try:
        if await guard.stands():
            click.echo(table)
            if not dry_run:
                await guard.remove()
                if await guard.stands():
                    return [f"{table}: nft did not remove it"]
    except Unreachable as error:  # without nft there is no table of ours
        click.echo(str(error), err=True)
    return []


async def _pools(datastore: str | None, lab: str | None) -> list[Prefix]:
    try:
        store = open_datastore(datastore, lab)
        try:
            return [pool.spec.cidr for pool in Snapshot().after(await store.list(IPPool)).of(IPPool).values()]
        finally:
            await store.close()
    except (Unreachable, Usage) as error:
        click.echo(f"no pools: {error}; only routes on pods' interfaces are known as felixpy's", err=True)
        return []
