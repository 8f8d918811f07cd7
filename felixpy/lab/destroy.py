"""Removing a lab: everything that the registry names, whatever state it was left in. Edge."""

import contextlib
import os
import shutil
import signal
import time

from felixpy.daemon import paths
from felixpy.lab import names, registry
from felixpy.lab.registry import Lab, LabNode
from felixpy.model.errors import Trouble

PATIENCE = 10.0  # seconds for the kernel to end every process of a node


def destroy(name: str) -> None:
    """End every node of a lab and remove what it made. Nothing happens when there is nothing left."""
    folder = paths.labs_dir() / name
    with registry.locked(name):
        # First this: a node that is just starting looks for the file before it goes on (felixpy/lab/init.py).
        (folder / "lab.json").unlink(missing_ok=True)
        remove(registry.read(folder))
        names.clean()


def remove(lab: Lab) -> None:
    """The nodes' processes, names and files."""
    for node in lab.nodes.values():
        end(node)
    for node in lab.nodes.values():
        wait_for_end(lab, node)
        if (lab.node_folder(node.name) / names.GIVEN).exists():
            names.take_back(node.netns)
    if lab.folder.is_dir():
        shutil.rmtree(lab.folder)


def remove_node(lab: Lab, node: LabNode) -> None:
    """One node of a lab that stays."""
    end(node)
    wait_for_end(lab, node)
    if (lab.node_folder(node.name) / names.GIVEN).exists():
        names.take_back(node.netns)
    shutil.rmtree(lab.node_folder(node.name))
    shutil.rmtree(lab.folder / "clab" / node.name, ignore_errors=True)


def end(node: LabNode) -> None:
    """Kill the holder: the kernel ends every process of its PID namespace, and with them all that they held."""
    if node.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(node.pid, signal.SIGKILL)


def wait_for_end(lab: Lab, node: LabNode) -> None:
    """Return when the holder is gone; Trouble when it does not go."""
    give_up = time.monotonic() + PATIENCE
    while node.alive:
        if time.monotonic() > give_up:
            raise Trouble(f"lab {lab.name}: process {node.pid} of node {node.name} does not end; run destroy again")
        time.sleep(0.01)
