"""What a user gives to `apply -f`: files, folders, stdin; multi-document YAML, JSON, lists of objects."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from felixpy.datastore.documents import load_documents
from felixpy.model.errors import InvalidResource, Trouble

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document and where it was found; or what kept it from being read."""

    where: str
    document: Any = None
    error: Trouble | None = None


def read_manifests(sources: Iterable[str]) -> Iterator[Manifest]:
    """Every object in files, folders (their .yaml, .yml and .json files, sorted) and `-` for stdin.

    A file that cannot be read is one manifest with its error: the others go on.
    """
    for source in sources:
        for path in _files(source):
            try:
                data = sys.stdin.buffer.read() if path is None else path.read_bytes()
                documents = load_documents(data, str(path or "stdin"))
            except OSError as error:
                yield Manifest(str(path), error=Trouble(f"{path}: {error.strerror}"))
            except InvalidResource as error:
                yield Manifest(error.where, error=error)
            else:
                yield from split(documents, str(path or "stdin"))


def split(documents: list[Any], where: str) -> Iterator[Manifest]:
    """One manifest per object: lists (`List`, `IPPoolList`) are taken apart."""
    if not documents:
        yield Manifest(where, error=InvalidResource(where, "", "holds no object"))
    for number, document in enumerate(documents, 1):
        place = where if len(documents) == 1 else f"{where}, document {number}"
        kind = document.get("kind") if isinstance(document, Mapping) else None
        if not isinstance(kind, str) or not kind.endswith("List"):
            yield Manifest(place, document)
            continue
        items = document.get("items")
        if not isinstance(items, list):
            yield Manifest(place, error=InvalidResource(place, "items", "must be a list of objects"))
            continue
        for index, item in enumerate(items):
            typed = isinstance(item, Mapping) and kind != "List"  # its items may leave out what they are
            named = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List")} if typed else {}
            yield Manifest(f"{place}: items[{index}]", {**named, **item} if typed else item)


def _files(source: str) -> Iterator[Path | None]:
    if source == "-":
        yield None
        return
    path = Path(source)
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    else:
        yield path
