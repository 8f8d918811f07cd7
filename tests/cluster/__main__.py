"""A cluster to play with, and its removal: `python -m tests.cluster up|down`; make cluster, make clean-cluster."""

import sys
import tempfile
import time
from pathlib import Path

from tests.cluster import binaries, cluster, install, tree
from tests.cluster.cluster import Cluster, Plan

NAME = "play"


def up() -> None:
    """Bring the cluster up and say how to use it."""
    if reason := binaries.missing_for_cluster():
        sys.exit(f"no cluster can run here: it {reason}")
    if (cluster.clusters() / NAME).exists():
        sys.exit("it is up already; make clean-cluster removes it")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        made = Cluster.new(Plan(nodes=3, images=(tree.felixpy(Path(scratch)),)), NAME)
        made.up()
    if "--bare" not in sys.argv:
        install.install(made)
    made.keep()
    print(f"up after {time.monotonic() - began:.1f} s; kubectl, inside it:", file=sys.stderr)
    print(f"  export KUBECONFIG={made.control.kubeconfig}", file=sys.stderr)
    print(f"  nsenter --net=/run/netns/clab-{NAME}-cp {binaries.program('kubectl')} get nodes", file=sys.stderr)


def down() -> None:
    """Remove it, and what tests that were killed have left."""
    folder = cluster.clusters() / NAME
    found = {one.fabric.name: one for one in cluster.left_over()}
    if folder.exists():
        found[NAME] = cluster.existing(folder)
    for name, one in found.items():
        one.down()
        print(f"cluster {name} is gone", file=sys.stderr)


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]]()
