"""What a restarted router must know and the kernel cannot tell: which peers gave which prefix. Edge: one file.

Without it a route found in the kernel could only be swept when every peer has spoken, the dead ones included. It
says nothing that is announced or installed: a missing file makes the sweep later, never wrong. It counts only for
the same node and the same boot: after another one the kernel's routes are gone anyway.

Lines of JSON: whose it is, then peers and the prefixes that they gave; a later line wins, no peers means not in use.
One more route is one more line, whatever is known; a line that a crash cut off is not there.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from felixpy.model.addresses import Address, Prefix, parse_address, parse_prefix

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PER_LINE = 1000
FEW = 1000  # prefixes that may be appended before the file is written anew, however few it holds

Given = Mapping[Prefix, frozenset[Address]]
Givers = Callable[[Prefix], frozenset[Address]]


class Head(msgspec.Struct, frozen=True):
    """The first line."""

    node: str
    boot_id: str
    time: float  # Unix seconds, for people


class Row(msgspec.Struct, frozen=True):
    """Any other."""

    peers: list[str]
    prefixes: list[str]


class Book:
    """The file of one life of the router, and how much was added to it since it was last written whole."""

    def __init__(self, path: Path, node: str) -> None:
        self._path, self._node = path, node
        self._whole = 0  # prefixes, when it was last written whole
        self._added = FEW  # likewise since then

    async def note(self, changed: Collection[Prefix], givers: Givers, known: Collection[Prefix]) -> None:
        """Write down who gives the prefixes that changed; of all that are known, when that is as cheap.

        OSError when the folder cannot be written: the next one writes all. The loop turns after each line.
        """
        added, self._added = self._added + len(changed), FEW + self._whole  # what fails is written whole next time
        if added <= max(FEW, self._whole):
            with self._path.open("ab") as file:
                for line in rows(changed, givers):
                    file.write(line)
                    await asyncio.sleep(0)
            self._added = added
            return
        draft = self._path.with_name(f".{self._path.name}.draft")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(head(self._node))
            for line in rows(tuple(known), givers, used=True):
                file.write(line)
                await asyncio.sleep(0)
        draft.rename(self._path)
        self._whole, self._added = len(known), 0


def head(node: str) -> bytes:
    """The first line."""
    return msgspec.json.encode(Head(node, boot_id(), time.time())) + b"\n"


def rows(prefixes: Iterable[Prefix], givers: Givers, *, used: bool = False) -> Iterator[bytes]:
    """The lines that say who gives `prefixes`; only those in use, if `used`."""
    found: dict[frozenset[Address], list[str]] = {}
    for prefix in prefixes:
        peers = givers(prefix)
        if used and not peers:
            continue
        texts = found.setdefault(peers, [])
        texts.append(str(prefix))
        if len(texts) == PER_LINE:
            yield row(peers, found.pop(peers))
    for peers, texts in found.items():
        yield row(peers, texts)


def row(peers: frozenset[Address], prefixes: list[str]) -> bytes:
    """One line."""
    return msgspec.json.encode(Row(sorted(map(str, peers)), prefixes)) + b"\n"


def load(path: Path, node: str) -> Given:
    """Who gave what, as of the last line; empty when there is no usable file."""
    given: dict[Prefix, frozenset[Address]] = {}
    try:
        first, *lines = path.read_bytes().split(b"\n")[:-1]
        known = msgspec.json.decode(first, type=Head)
        if known.node != node or known.boot_id != boot_id():
            return {}
        for line in lines:
            told = msgspec.json.decode(line, type=Row)
            given |= dict.fromkeys(map(parse_prefix, told.prefixes), frozenset(map(parse_address, told.peers)))
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return {}
    return {prefix: peers for prefix, peers in given.items() if peers}


def boot_id() -> str:
    """This boot's name (random(4)); empty where the kernel does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


__all__ = ["Book", "Given", "boot_id", "load"]
