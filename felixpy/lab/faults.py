"""The catalogue of faults, read from `faults.yaml`: how to spoil one thing in a running lab, and how to mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import yaml

FILE = Path(__file__).with_name("faults.yaml")
# What no fault of a lab can show: one kernel has one clock and one size of neighbour tables, one version of the
# program runs, and router ids come from addresses that must differ for a lab to come up. Unit tests show them red.
NOT_IN_A_LAB = frozenset({"clocks", "versions", "router-ids", "kernel", "neighbour-table"})


class Fault(msgspec.Struct, frozen=True, rename={"spoil": "break", "mend": "heal"}, forbid_unknown_fields=True):
    """One way to spoil a lab; its commands run in `node` with `sh -e`."""

    name: str  # of the doctor's check that finds it
    says: str  # what happens, for the list
    spoil: str
    mend: str
    node: str = "n1"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All faults by name, and the shell functions that their commands use."""

    words: str
    faults: Mapping[str, Fault]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    words: str
    faults: list[Fault]


@cache
def catalogue() -> Catalogue:
    """The file's content, in its order."""
    found = msgspec.convert(yaml.safe_load(FILE.read_text(encoding="utf-8")), _File)
    return Catalogue(found.words, {fault.name: fault for fault in found.faults})
