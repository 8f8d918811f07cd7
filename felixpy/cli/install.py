"""`felixpy install` and `felixpy uninstall`: a host without Kubernetes. `felixpy cni install`: any host."""

import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from felixpy.cni.wire import VERSIONS
from felixpy.daemon.paths import run_dir, state_dir
from felixpy.host import systemd
from felixpy.host.cni import (
    Folders,
    attached,
    chainable,
    check_alone,
    configuration_file,
    program_file,
    wait_for_agent,
)
from felixpy.host.conflist import CAPABILITIES, Network
from felixpy.host.files import File, Machine, Outcome, put, take
from felixpy.host.plugin import KINDS
from felixpy.model.errors import Trouble, Usage

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
WAIT_S = 30.0

ROOT = click.option("--root", type=PATH, default=Path("/"), help="Prepare this tree instead of the running machine.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Only print what would be done.")
FORCE = click.option("--force", is_flag=True, help="Also while pods are attached.")


def cni_options(command: F) -> F:
    """How the CNI files are to be; the command gets them by these names."""
    for option in (
        click.option("--bin-dir", type=PATH, default=Folders().programs, show_default=True, help="For the plugin."),
        click.option(
            "--conf-dir",
            type=PATH,
            default=Folders().configurations,
            show_default=True,
            help="For its configuration.",
        ),
        click.option("--name", default=Network().name, show_default=True, help="The network's name."),
        click.option("--cni-version", type=click.Choice(VERSIONS), default=Network().version, show_default=True),
        click.option(
            "--chain",
            multiple=True,
            type=click.Choice([*CAPABILITIES, "none"]),
            help="A plugin to run after ours. Default: those of them that lie in --bin-dir.",
        ),
        click.option("--plugin", type=click.Choice(KINDS), default="auto", help="The static program, or Python."),
        click.option("--take-over", is_flag=True, help="Also beside another network's configuration, before it."),
        click.option(
            "--wait", default=WAIT_S, show_default=True, help="Seconds for the agent to answer; 0: do not ask."
        ),
    ):
        command = option(command)
    return command


@click.command("install")
@cni_options
@click.option("--plugin-only", is_flag=True, help="Without the configuration, which makes runtimes use it.")
@ROOT
@DRY_RUN
def install_cni(*, root: Path, dry_run: bool, wait: float, plugin_only: bool, **options: Any) -> None:
    """Put the plugin and its configuration where container runtimes look: whole files, the configuration last.

    The configuration comes only when the agent of this node answers. It is refused beside another network's.

    \b
    Examples:
      felixpy cni install --dry-run
      felixpy cni install --conf-dir /etc/containers/net.d
      felixpy cni install --plugin-only
    """
    machine = Machine(root.absolute(), state_dir())
    first, last = _cni_files(machine, **options)
    if dry_run:
        _print([first] if plugin_only else [first, last])
        return
    _report(machine, put(machine, [first]))
    if not plugin_only:
        _finish(machine, last, wait)


@click.command("uninstall")
@ROOT
@DRY_RUN
@FORCE
def uninstall_cni(*, root: Path, dry_run: bool, force: bool) -> None:
    """Remove what `felixpy cni install` wrote: the configuration first. What was changed stays, and is named.

    \b
    Example:
      felixpy cni uninstall --dry-run
    """
    machine = Machine(root.absolute(), state_dir())
    written = _installed(machine, ".conflist", "/felixpy")
    _remove(machine, written, dry_run=dry_run, force=force)


@click.command("install")
@click.option("--systemd", "with_systemd", is_flag=True, help="As two services of systemd.")
@click.option("--node", default="", help="This node's name. Default: the host's.")
@click.option(
    "--datastore",
    default="files:/var/lib/felixpy/store",
    show_default=True,
    help="files:DIR or kubernetes[:KUBECONFIG]",
)
@cni_options
@ROOT
@DRY_RUN
def install(
    *, with_systemd: bool, node: str, datastore: str, root: Path, dry_run: bool, wait: float, **options: Any
) -> None:
    """Run felixpy and birdpy as services of this host, and container runtimes with them.

    Writes two units, their environment, a drop-in that keeps systemd-networkd from removing routes, and the CNI
    files; starts the services where systemd runs. Repeating it changes nothing. What a user changed stays.

    \b
    Examples:
      felixpy install --systemd --dry-run
      felixpy install --systemd --node n1 --datastore files:/var/lib/felixpy/store
      felixpy install --systemd --root /mnt/image
    """
    if not with_systemd:
        raise Usage(
            "say what starts the daemons: felixpy install --systemd (only the CNI files: felixpy cni install)"
        )
    machine = Machine(root.absolute(), Path("/var/lib/felixpy") if root != Path("/") else state_dir())
    systemd.check_reachable()
    first, last = _cni_files(machine, **options)
    written = [*systemd.files(systemd.Host(node or socket.gethostname(), datastore)), first]
    running = systemd.systemd_runs(machine)
    if dry_run:
        _print([*written, last])
        _print_orders(systemd.orders(systemd.START), running=running)
        return
    _report(machine, put(machine, written))
    if running:
        for order in systemd.orders(systemd.START):
            systemd.tell(order)
    else:
        _print_orders(systemd.orders(systemd.START), running=False)
    _finish(machine, last, wait)
    click.echo("systemd-networkd, where it runs, reads its drop-in when it is restarted", err=True)


@click.command("uninstall")
@ROOT
@DRY_RUN
@FORCE
def uninstall(*, root: Path, dry_run: bool, force: bool) -> None:
    """Remove what `felixpy install` wrote, the CNI configuration first; what was changed since stays, and is named.

    Routes and the datastore stay: `birdpy drain` before it, `birdpy cleanup` and `felixpy cleanup` after it.

    \b
    Examples:
      felixpy uninstall --dry-run
      felixpy uninstall
    """
    machine = Machine(root.absolute(), Path("/var/lib/felixpy") if root != Path("/") else state_dir())
    running = systemd.systemd_runs(machine)

    def stop() -> None:
        for order in systemd.orders(systemd.STOP) if running else ():
            systemd.tell(order)

    _remove(machine, _installed(machine, ".conflist", ""), dry_run=dry_run, force=force, between=stop)
    if running and not dry_run:
        systemd.tell(["systemctl", "daemon-reload"])


def _cni_files(machine: Machine, **options: Any) -> tuple[File, File]:
    """The plugin and its configuration. Trouble beside another network."""
    folders = Folders(options["bin_dir"].absolute(), options["conf_dir"].absolute())
    check_alone(machine, folders, take_over=options["take_over"])
    asked: Sequence[str] = options["chain"]
    chain = tuple(name for name in asked if name != "none") if asked else chainable(machine, folders)
    program, what = program_file(folders, options["plugin"])
    click.echo(f"plugin: {what}", err=True)
    return program, configuration_file(folders, Network(options["name"], options["cni_version"], chain))


def _finish(machine: Machine, configuration: File, wait: float) -> None:
    """The configuration, last. A tree that is being prepared has no agent to ask."""
    if wait > 0 and machine.root == Path("/"):
        wait_for_agent(run_dir(), wait)
    _report(machine, put(machine, [configuration]))


def _installed(machine: Machine, *endings: str) -> list[Path]:
    """What the receipt names and ends so, in the order of the endings."""
    named = list(machine.receipt().files)
    found = [name for ending in endings for name in named if name.endswith(ending)]
    return [Path(name) for name in dict.fromkeys(found)]


def _remove(
    machine: Machine, paths: list[Path], *, dry_run: bool, force: bool, between: Callable[[], None] = lambda: None
) -> None:
    """The configurations, then `between`, then the rest."""
    pods = attached() if machine.root == Path("/") else []
    if pods and not force:
        raise Trouble(
            f"{len(pods)} pods are attached ({', '.join(pods[:3])}): their runtime needs the plugin to delete them; "
            "delete them first, or give --force"
        )
    if not paths:
        click.echo("nothing is installed", err=True)
    if dry_run:
        for path in paths:
            click.echo(f"remove {machine.at(path)}")
        return
    configurations = [path for path in paths if path.suffix == ".conflist"]
    _report(machine, take(machine, configurations))
    between()
    _report(machine, take(machine, [path for path in paths if path not in configurations]))


def _report(machine: Machine, outcomes: Iterable[tuple[Path, Outcome]]) -> None:
    for path, outcome in outcomes:
        click.echo(f"{outcome.value}: {machine.at(path)}", err=outcome is Outcome.KEPT)


def _print(files: Sequence[File]) -> None:
    for file in files:
        click.echo(f"# {file.path} (mode {file.mode:04o})")
        if file.mode & 0o111:
            click.echo(f"{len(file.content)} bytes")
        else:
            click.echo(file.content.decode())


def _print_orders(orders: Sequence[Sequence[str]], *, running: bool) -> None:
    for order in orders:
        click.echo(" ".join(order) if running else f"to do once systemd runs: {' '.join(order)}", err=not running)
