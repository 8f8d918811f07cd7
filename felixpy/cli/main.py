"""`felixpy`: the list of its commands, and nothing else."""

import click

from felixpy.show.lazy import LazyGroup, Verb, run

VERBS = {
    "run": Verb("felixpy.cli.run:run", "the agent: keep this node's kernel as its pods need it"),
    "routes": Verb("felixpy.cli.routes:routes", "a node's routes: wanted, installed, from whom and why"),
    "history": Verb("felixpy.cli.history:history", "what happened to a prefix or with a peer, and why"),
    "diff": Verb("felixpy.cli.diff:diff", "what changed in the routes between two moments"),
    "top": Verb("felixpy.cli.top:top", "every node in one line, live"),
    "ui": Verb("felixpy.cli.ui:ui", "the network as a page in the browser, live"),
    "facts": Verb("felixpy.cli.facts:facts", "what decides where a node's kernel sends a packet"),
    "doctor": Verb("felixpy.cli.doctor:doctor", "what ails a node or the cluster, and what mends it"),
    "trace": Verb("felixpy.cli.trace:trace_command", "from pod to pod, hop by hop, and the first hop that fails"),
    "probe": Verb("felixpy.cli.probe:probe", "one ping from this node with a pod's own source"),
    "check": Verb("felixpy.cli.check:check", "is the network as it must be? the proof of each fault"),
    "get": Verb("felixpy.cli.resources:get", "list resources, or print one"),
    "apply": Verb("felixpy.cli.resources:apply", "store resources from a file, a folder or stdin"),
    "plan": Verb("felixpy.cli.plan:plan", "what would apply do to sessions, routes and pods?"),
    "rollback": Verb("felixpy.cli.rollback:rollback", "back to what was applied before"),
    "delete": Verb("felixpy.cli.resources:delete", "remove a resource"),
    "ipam": Verb("felixpy.cli.ipam:ipam", "addresses: show, why, check, release, reserve, split"),
    "pod": Verb("felixpy.cli.pod:pod", "pods made by hand: add, delete, list"),
    "lab": Verb("felixpy.cli.lab:lab", "a containerlab topology in network namespaces"),
    "cni": Verb("felixpy.cli.cni:cni", "the CNI plugin, for container runtimes"),
    "install": Verb("felixpy.cli.install:install", "services of a host without Kubernetes, and the CNI files"),
    "uninstall": Verb("felixpy.cli.install:uninstall", "remove what install wrote"),
    "leave": Verb("felixpy.cli.leave:leave", "take a Kubernetes node out, before the DaemonSets go"),
    "cleanup": Verb("felixpy.cli.cleanup:cleanup", "remove felixpy's kernel state, once it is stopped"),
    "completion": Verb("felixpy.cli.completion:completion", "shell completion for bash, zsh or fish"),
}


@click.group(cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="felixpy")
def felixpy() -> None:
    """Pod networking as plain layer-3 routing: one route per pod, no bridge, no tunnel, no NAT.

    \b
    Examples:
      felixpy routes --node n1
      felixpy lab deploy -t containerlab/quickstart.clab.yml
      felixpy pod add web --node n1
    """


def main() -> None:
    """Entry point of the `felixpy` script."""
    run(felixpy, "felixpy")
