"""Which program of this machine stands in for a container image. Pure.

containerlab runs images; here a node runs Debian's own program on the same configuration files.
"""

import re
from enum import StrEnum

LABEL = "felixpy.lab/run"  # on a node: overrides what its image would give


class Program(StrEnum):
    """What a node runs."""

    FELIXPY = "felixpy"
    FRR = "frr"
    BIRD = "bird"
    GOBGP = "gobgp"
    PLAIN = "plain"


# The file whose presence shows that the program is installed, and Debian's package that brings it.
NEEDS: dict[Program, tuple[str, str]] = {
    Program.FRR: ("/usr/lib/frr/bgpd", "frr"),
    Program.BIRD: ("/usr/sbin/bird", "bird2"),
    Program.GOBGP: ("/usr/bin/gobgpd", "gobgpd"),
}

# Routers that are images only: a plain Linux node in their place would be a silent lie.
NO_PROGRAM = (
    "ceos", "crpd", "cumulus", "exabgp", "openbgpd", "rare", "routeros", "sonic", "srlinux", "srsim", "vjunos",
    "vqfx", "vrnetlab", "vsrx", "vyos", "xrd",
)  # fmt: skip
ROUTERS = (
    ("felixpy", Program.FELIXPY), ("birdpy", Program.FELIXPY), ("frr", Program.FRR), ("frrouting", Program.FRR),
    ("gobgp", Program.GOBGP), ("gobgpd", Program.GOBGP), ("bird", Program.BIRD), ("bird2", Program.BIRD),
)  # fmt: skip


def program_of(image: str, labels: dict[str, str]) -> Program | None:
    """The program for an image such as `quay.io/frrouting/frr:10.2.1`; None for a router that we cannot stand in for.

    The label `felixpy.lab/run` wins; ValueError when it names no program.
    """
    if LABEL in labels:
        return Program(labels[LABEL])
    words = image_words(image)
    for word, program in ROUTERS:
        if word in words:
            return program
    return None if any(word in words for word in NO_PROGRAM) else Program.PLAIN


def image_words(image: str) -> list[str]:
    """The words of an image's name without registry, tag and digest: `ghcr.io/a/frr_lab:1` -> a, frr, lab."""
    name = image.partition("@")[0]
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        name = rest
    name = name.partition(":")[0]
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
