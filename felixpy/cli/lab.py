"""`felixpy lab`: a containerlab topology in network namespaces, without Docker."""

from collections.abc import Sequence
from pathlib import Path

import click

from felixpy.model.errors import Usage
from felixpy.show.options import complete_lab, complete_node
from felixpy.show.output import output_option

LAB = click.option(
    "--lab", "lab_name", metavar="NAME", shell_complete=complete_lab, help="Which lab; needed only when several run."
)
NAMED = click.argument("named", metavar="[LAB]", required=False, shell_complete=complete_lab)


def say(text: str) -> None:
    """Progress goes to stderr: stdout is for results."""
    click.echo(text, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """A containerlab topology in network namespaces, without Docker.

    \b
    Examples:
      felixpy lab deploy -t containerlab/quickstart.clab.yml
      felixpy lab exec tor -- vtysh -c 'show bgp summary'
      felixpy lab exec n1/a -- ping -c1 10.65.0.66
      felixpy lab destroy
    """


@lab.command()
@click.option("-t", "--topo", "file", required=True, type=click.Path(path_type=Path), help="The topology file.")
@click.option("--reconfigure", is_flag=True, help="Remove a running lab of that name first.")
def deploy(file: Path, reconfigure: bool) -> None:
    """Make the lab that a topology file describes.

    \b
    Examples:
      felixpy lab deploy -t containerlab/quickstart.clab.yml
      felixpy lab deploy -t containerlab/quickstart.clab.yml --reconfigure
    """
    from felixpy.lab import topology
    from felixpy.lab.deploy import deploy as make

    wanted = topology.load(file)
    for note in wanted.notes:
        say(note)
    made = make(wanted, say, reconfigure=reconfigure)
    if made is None:
        say(f"lab {wanted.name} is up already; felixpy lab inspect shows it")
    else:
        say(f"lab {wanted.name} is up; felixpy lab inspect shows it, felixpy lab destroy removes it")


@lab.command()
@click.option("-t", "--topo", "file", required=True, type=click.Path(path_type=Path), help="The edited file.")
def apply(file: Path) -> None:
    """Make a running lab equal to its edited file: nodes and links that are new are made, others removed or kept.

    \b
    Examples:
      felixpy lab apply -t containerlab/quickstart.clab.yml
    """
    from felixpy.lab import topology
    from felixpy.lab.edit import apply as make

    make(topology.load(file), say)


@lab.command()
@click.option("-t", "--topo", "file", type=click.Path(path_type=Path), help="The topology file whose lab it is.")
@click.option("--all", "every", is_flag=True, help="Every lab of this machine.")
@NAMED
@LAB
def destroy(file: Path | None, every: bool, named: str | None, lab_name: str | None) -> None:
    """Remove a lab with all that it made; also what a killed deployment left.

    \b
    Examples:
      felixpy lab destroy
      felixpy lab destroy quickstart
      felixpy lab destroy --all
    """
    from felixpy.lab import registry, topology
    from felixpy.lab.destroy import destroy as remove

    if every:
        chosen = [one.name for one in registry.labs()]
    elif file is not None:
        chosen = [topology.load(file).name]
    else:
        chosen = [registry.find_lab(named or lab_name).name]
    for name in chosen:
        remove(name)
        say(f"lab {name} is removed")
    if not chosen:
        say("no lab is running")


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("where", metavar="NODE[/POD]", shell_complete=complete_node)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
@LAB
def exec_(where: str, argv: tuple[str, ...], lab_name: str | None) -> None:
    """Run a command in a node, or in a pod of a node.

    \b
    Examples:
      felixpy lab exec n1 -- ip route
      felixpy lab exec tor -- vtysh -c 'show bgp summary'
      felixpy lab exec n1/a -- ip address
    """
    from felixpy.lab import enter, registry

    node, _, pod = where.partition("/")
    argv = argv[1:] if argv[0] == "--" else argv
    if not node:
        raise Usage(f"{where!r} names no node; NODE or NODE/POD is needed")
    enter.become(registry.find_lab(lab_name), node, argv, pod or None)


def complete_fault(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Names of faults for the shell."""
    from felixpy.lab.faults import catalogue

    return [name for name in catalogue().faults if name.startswith(start)]


@lab.command("break")
@click.argument("fault", required=False, shell_complete=complete_fault)
@LAB
@output_option
def break_(fault: str | None, lab_name: str | None, output: str) -> None:
    """Spoil one thing in a running quickstart, to see what doctor, trace and check say; without FAULT list them.

    A fault has the name of the doctor's check that finds it. `felixpy lab heal` mends it.

    \b
    Examples:
      felixpy lab break
      felixpy lab break forward-policy && felixpy doctor; felixpy lab heal
    """
    from felixpy.lab import registry
    from felixpy.lab.faults import Fault, catalogue
    from felixpy.lab.spoil import broken, spoil
    from felixpy.show.output import Column, emit

    chosen = registry.find_lab(lab_name)
    if fault is not None:
        made = spoil(chosen, fault)
        say(f"{made.node} of lab {chosen.name}: {made.says}; felixpy doctor finds it, felixpy lab heal mends it")
        return
    present, faults = broken(chosen), catalogue().faults.values()
    columns: Sequence[Column[Fault]] = (
        Column("FAULT", lambda it: it.name),
        Column("NODE", lambda it: it.node),
        Column("BROKEN", lambda it: it.name in present),
        Column("WHAT HAPPENS", lambda it: it.says),
    )
    rows = [{"name": it.name, "node": it.node, "says": it.says, "broken": it.name in present} for it in faults]
    emit({"faults": rows}, columns, faults, output)


@lab.command()
@click.argument("fault", required=False, shell_complete=complete_fault)
@LAB
def heal(fault: str | None, lab_name: str | None) -> None:
    """Mend what `felixpy lab break` spoiled: one fault, or all of them.

    \b
    Examples:
      felixpy lab heal
      felixpy lab heal forward-policy
    """
    from felixpy.lab import registry
    from felixpy.lab.spoil import broken, mend

    chosen = registry.find_lab(lab_name)
    names = [fault] if fault is not None else list(reversed(broken(chosen)))
    for name in names:
        mend(chosen, name)
        say(f"{name} is mended")
    if not names:
        say(f"nothing is broken in lab {chosen.name}")


@lab.command()
@NAMED
@LAB
@output_option
def inspect(output: str, named: str | None, lab_name: str | None) -> None:
    """The nodes of a running lab: what runs in them, their addresses, their namespaces.

    \b
    Examples:
      felixpy lab inspect
      felixpy lab inspect quickstart -o wide
    """
    from felixpy.lab import registry
    from felixpy.lab.inspect import Seen, document, look
    from felixpy.show.output import Column, emit

    chosen = registry.find_lab(named or lab_name)
    columns: Sequence[Column[Seen]] = (
        Column("NODE", lambda row: row.name),
        Column("STATE", lambda row: row.state),
        Column("KIND", lambda row: row.kind, wide=True),
        Column("PROGRAMS", lambda row: row.program_states),
        Column("ADDRESSES", lambda row: row.addresses),
        Column("NETNS", lambda row: row.netns),
        Column("PID", lambda row: row.pid),
        Column("IMAGE", lambda row: row.image, wide=True),
        Column("GROUP", lambda row: row.group, wide=True),
    )
    if output in ("json", "yaml"):
        emit(document(chosen), columns, [], output)
    else:
        emit(None, columns, look(chosen), output)


@lab.command()
@click.option("-t", "--topo", "file", type=click.Path(path_type=Path), help="A topology file; else a running lab's.")
@click.option("--format", "form", type=click.Choice(["text", "svg", "mermaid"]), default="text", show_default=True)
@NAMED
@LAB
def graph(file: Path | None, form: str, named: str | None, lab_name: str | None) -> None:
    """Draw a topology: for the terminal, as an SVG file, or as Mermaid for a README.

    \b
    Examples:
      felixpy lab graph
      felixpy lab graph -t containerlab/leaf-spine.clab.yml --format svg > leaf-spine.svg
    """
    from felixpy.lab import graph as drawn
    from felixpy.lab import picture, registry, topology

    wanted = topology.load(file or Path(registry.find_lab(named or lab_name).topology))
    draw = {"text": picture.draw, "svg": drawn.svg, "mermaid": drawn.mermaid}[form]
    click.echo(draw(wanted), nl=False)


@lab.command()
@click.option("-t", "--topo", "file", required=True, type=click.Path(path_type=Path), help="The topology file.")
def tour(file: Path) -> None:
    """Deploy a lab if it is not up, then show it: picture, sessions, routes, pings, promises, what to type next.

    \b
    Examples:
      felixpy lab tour -t containerlab/quickstart.clab.yml
    """
    import time

    from felixpy.lab import proofs, registry, topology
    from felixpy.lab import tour as shown
    from felixpy.lab.deploy import deploy as make

    wanted = topology.load(file)
    began = time.monotonic()
    fresh = make(wanted, say) is not None
    if not fresh:
        say(f"lab {wanted.name} is up already")
    running = registry.find_lab(wanted.name)
    shown.tour(running, click.echo, began if fresh else 0.0)
    proofs.show(running, click.echo)
    shown.next_steps(running, click.echo)
