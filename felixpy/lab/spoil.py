"""Faults put into a running lab, and taken out again. Edge: runs commands in its nodes.

What is broken is written down in the lab's folder before it is: so `heal` finds it also after a crash.
"""

import json
import time
from pathlib import Path

from felixpy.lab.enter import run_in
from felixpy.lab.faults import Fault, catalogue
from felixpy.lab.registry import Lab
from felixpy.model.errors import Trouble, Usage

PATIENCE_S = 60.0


def spoil(lab: Lab, name: str) -> Fault:
    """Put the fault into force. Usage when it is unknown or there already; Trouble when a command of it fails."""
    fault = fault_named(name)
    present = broken(lab)
    if name in present:
        raise Usage(f"{name} is broken already; felixpy lab heal mends it")
    _remember(lab, {**present, name: time.time()})
    _run(lab, fault, fault.spoil)
    return fault


def mend(lab: Lab, name: str) -> Fault:
    """Take the fault away. Usage when it is not there; Trouble, and it counts as there still, when that fails."""
    fault = fault_named(name)
    present = broken(lab)
    if name not in present:
        raise Usage(f"{name} is not broken; felixpy lab break without a name lists the faults")
    _run(lab, fault, fault.mend)
    del present[name]
    _remember(lab, present)
    return fault


def broken(lab: Lab) -> dict[str, float]:
    """The faults in force, with when each was made, oldest first."""
    try:
        found = json.loads(_file(lab).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): float(when) for name, when in found.items() if name in catalogue().faults}


def fault_named(name: str) -> Fault:
    """The fault; Usage with the names there are when there is none."""
    faults = catalogue().faults
    if name not in faults:
        raise Usage(f"no fault is named {name!r}; there are: {', '.join(faults)}")
    return faults[name]


def _file(lab: Lab) -> Path:
    return lab.folder / "faults.json"


def _remember(lab: Lab, present: dict[str, float]) -> None:
    draft = lab.folder / ".faults.json"
    draft.write_text(json.dumps(present))
    draft.rename(_file(lab))


def _run(lab: Lab, fault: Fault, script: str) -> None:
    done = run_in(lab, fault.node, ["sh", "-ec", catalogue().words + script], timeout=PATIENCE_S)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Trouble(f"{fault.name} in node {fault.node}: {said[-1] if said else f'exit {done.returncode}'}")
