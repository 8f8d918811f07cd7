"""What a restarted router must know and the kernel cannot tell: which peers gave which prefix. Edge: one small file.

Without it a route found in the kernel could only be swept when every peer has spoken, the dead ones included. It
says nothing that is announced or installed: a missing file makes the sweep later, never wrong. It counts only for
the same node and the same boot: after another one the kernel's routes are gone anyway.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from felixpy.model.addresses import Address, Prefix, parse_address, parse_prefix

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Given = Mapping[Prefix, frozenset[Address]]


class Saved(msgspec.Struct, frozen=True):
    """The file's content."""

    node: str
    boot_id: str
    time: float  # Unix seconds, for people
    given: dict[str, list[str]]  # prefix -> peers


def save(path: Path, node: str, given: Given) -> None:
    """Write the file in one step; OSError when the folder cannot be written."""
    rows = {str(prefix): sorted(map(str, peers)) for prefix, peers in given.items()}
    document = Saved(node, boot_id(), time.time(), rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(msgspec.json.encode(document))
    draft.rename(path)


def load(path: Path, node: str) -> Given:
    """Who gave what, as of the last save; empty when there is no usable file."""
    try:
        document = msgspec.json.decode(path.read_bytes(), type=Saved)
        given = {
            parse_prefix(prefix): frozenset(map(parse_address, peers)) for prefix, peers in document.given.items()
        }
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return {}
    return given if document.node == node and document.boot_id == boot_id() else {}


def boot_id() -> str:
    """This boot's name (random(4)); empty where the kernel does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


__all__ = ["Given", "boot_id", "load", "save"]
