"""Container images made without a registry or an engine: docker-archive files for `ctr images import`."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.machine import PAUSE

BUSYBOX = "localhost/busybox:local"
APPLETS = (
    "sh",
    "sleep",
    "httpd",
    "nc",
    "ping",
    "ping6",
    "wget",
    "ip",
    "cat",
    "echo",
    "hostname",
    "seq",
    "timeout",
    "ls",
)
FOLDERS = ("dev", "proc", "sys", "tmp", "etc", "run", "var", "root")


@dataclass(frozen=True, slots=True)
class Image:
    """What an image holds: files of this machine and links, by their place in the image."""

    name: str
    files: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    environment: Sequence[str] = ()

    def write(self, file: Path) -> Path:
        """Write it as a docker-archive with one layer; the file."""
        layer = self._layer()
        digest = hashlib.sha256(layer).hexdigest()
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *self.environment],
                       "Cmd": list(self.command), "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z"}],
        }).encode()  # fmt: skip
        named = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": named, "RepoTags": [self.name], "Layers": [f"{digest}/layer.tar"]}]
        with tarfile.open(file, "w") as archive:
            _add(archive, named, config, 0o644)
            _add(archive, f"{digest}/layer.tar", layer, 0o644)
            _add(archive, "manifest.json", json.dumps(manifest).encode(), 0o644)
        return file

    def _layer(self) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
            made: set[str] = set()
            for path in [f"{folder}/x" for folder in FOLDERS] + [*self.files, *self.links]:
                _folders(archive, path.strip("/"), made)
            for path, source in self.files.items():
                _add(archive, path.strip("/"), source.read_bytes(), source.stat().st_mode & 0o7777)
            for path, target in self.links.items():
                entry = tarfile.TarInfo(path.strip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                archive.addfile(entry)
        return stream.getvalue()


def pause() -> Image:
    """What holds a pod's namespaces."""
    return Image(PAUSE, {"/pause": Path(binaries.program("pause"))}, command=["/pause"])


def busybox() -> Image:
    """What tests run in pods."""
    links = {f"/bin/{name}": "/bin/busybox" for name in APPLETS}
    return Image(BUSYBOX, {"/bin/busybox": Path(binaries.program("busybox"))}, links, ["sleep", "1000000"])


def _folders(archive: tarfile.TarFile, path: str, made: set[str]) -> None:
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        name = "/".join(parts[:end])
        if name not in made:
            made.add(name)
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(entry)


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
