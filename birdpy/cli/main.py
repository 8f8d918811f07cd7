"""`birdpy`: the list of its commands, and nothing else."""

import click

from felixpy.show.lazy import LazyGroup, Verb, run

VERBS = {
    "run": Verb("birdpy.cli.run:run", "the router: speak BGP for this node's blocks, install what is learned"),
    "peers": Verb("birdpy.cli.peers:peers", "a node's BGP sessions and their state"),
    "rib": Verb("birdpy.cli.rib:rib", "every path, the best one, and the round that decided"),
    "explain": Verb("birdpy.cli.explain:explain", "one prefix from source to kernel, or what stopped it"),
    "config": Verb("birdpy.cli.config:config", "the sessions and policy a node should have, from the datastore"),
    "policy": Verb("birdpy.cli.policy:policy", "what filters, guards and export rules do to a route"),
    "drain": Verb("birdpy.cli.drain:drain", "lead a node out of its peers' tables before it is removed"),
    "cleanup": Verb("birdpy.cli.cleanup:cleanup", "remove birdpy's routes from this machine, once it is stopped"),
    "completion": Verb("birdpy.cli.completion:completion", "shell completion for bash, zsh or fish"),
}


@click.group(cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="felixpy")
def birdpy() -> None:
    """A BGP router for a node's pod blocks, driven through ExaBGP.

    \b
    Examples:
      birdpy peers --node n1
      birdpy rib --node n1 10.65.1.0/26
      birdpy explain 10.65.1.0/26 --node n1
    """


def main() -> None:
    """Entry point of the `birdpy` script."""
    run(birdpy, "birdpy")
