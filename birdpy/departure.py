"""The drain that outlives birdpy: which step it had come to. Edge: one small file in the state folder.

It counts for the same node and the same boot: a restarted or upgraded birdpy goes on with its drain, a machine that
was rebooted serves.
"""

import time
from pathlib import Path

import msgspec

from birdpy.saved import boot_id
from birdpy.stage import Stage

FILE_NAME = "birdpy-drain.json"


class Record(msgspec.Struct, frozen=True):
    """The file's content."""

    node: str
    boot_id: str
    time: float  # Unix seconds of the last step, for people
    stage: Stage


def save(path: Path, node: str, stage: Stage) -> None:
    """Write the step down; serving is the file's absence. OSError when the folder cannot be written."""
    if stage is Stage.SERVING:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(msgspec.json.encode(Record(node, boot_id(), time.time(), stage)))
    draft.rename(path)


def load(path: Path, node: str) -> Stage:
    """The step that an earlier birdpy had come to; SERVING when there is no usable file."""
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return Stage.SERVING
    return record.stage if (record.node, record.boot_id) == (node, boot_id()) else Stage.SERVING


__all__ = ["FILE_NAME", "load", "save"]
