"""The image that tests/runtimes builds from the Containerfile, kept for the clusters: by what went into it."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("Makefile", "pyproject.toml", "README.md", "LICENSE", "manifests/image", "felixpy", "birdpy")
NAME = "localhost/felixpy:local"


def archive() -> Path:
    """Where the image of the present sources is, or would be, as a docker-archive."""
    digest = hashlib.sha256()
    for name in SOURCES:
        place = ROOT / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts and path.name != "felixpy-cni":
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "felixpy" / "images" / f"felixpy-{digest.hexdigest()[:16]}.tar"


def keep(made: Path) -> None:
    """Put a new archive there, and remove those of former sources."""
    place = archive()
    place.parent.mkdir(parents=True, exist_ok=True)
    made.replace(place)
    for other in place.parent.glob("felixpy-*.tar"):
        if other != place:
            other.unlink()
