"""BIRD, FRR and GoBGP as one and the same neighbour, whatever part it plays.

with fabric.beside(9), daemon(folder, "frr", Part(asn=65009, links=(Link(1, 64512),))) as theirs:
    theirs.announce("203.0.113.0/24")
    theirs.view("10.65.1.0/26")      # what its own show command says of it, in one form for all three
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import of_bird, of_frr, of_gobgp
from tests.interop.parts import Daemon, Link, Part, View
from tests.speakers import bird, frr, gobgp, needs

DAEMONS = {"bird": ("bird",), "frr": ("bgpd", "vtysh"), "gobgp": ("gobgpd", "gobgp")}
each_daemon = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=needs(*programs)) for kind, programs in DAEMONS.items()]
)
not_gobgp = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=needs(*DAEMONS[kind])) for kind in ("bird", "frr")]
)


@contextlib.contextmanager
def daemon(folder: Path, kind: str, part: Part) -> Iterator[Daemon]:
    """The daemon `kind` playing `part`, started from this thread's namespace, which is at its number."""
    if kind == "bird":
        with bird(folder, of_bird.config(part, frozenset(part.routes))) as birds:
            yield of_bird.OfBird(birds, part)
    elif kind == "frr":
        with frr(folder, of_frr.config(part), part.router_id, part.port) as frrs:
            yield of_frr.OfFrr(frrs, part)
    else:
        with gobgp(folder, of_gobgp.config(part), *(["-r"] if part.back else [])) as gobgps:
            it = of_gobgp.OfGoBgp(gobgps, part, folder)
            it.announce(*part.routes)
            yield it


__all__ = ["DAEMONS", "Daemon", "Link", "Part", "View", "daemon", "each_daemon", "not_gobgp"]
