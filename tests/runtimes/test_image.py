"""The image, built for real by buildah from its Containerfile, and what runs in it.

Without a registry: the base is made by mmdebstrap (once, kept in the user's cache folder) and committed under the
name that the Containerfile starts from; the Python packages come from a folder of the locked wheels.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import built as cluster_image

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "manifests/image/Containerfile"
MISSING = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
BASE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "felixpy" / "debian-bookworm.tar"
BUILD_S = 600

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(2 * BUILD_S),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds an image"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING} (containerlab/install.sh --tests)"),
]


@dataclass(frozen=True)
class Builder:
    """buildah with a storage of its own. Its mounts are in a namespace of each call and end with it."""

    folder: Path

    def try_run(self, *words: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        storage = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        return subprocess.run(
            ["unshare", "--mount", "buildah", *storage, "--storage-driver", "overlay", *words],
            input=given, capture_output=True, text=True, timeout=BUILD_S, check=False,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        done = self.try_run(*words)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()

    @property
    def policy(self) -> str:
        """Nothing is fetched, so there is no signature to ask for."""
        file = self.folder / "policy.json"
        file.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        return f"--signature-policy={file}"


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    folder = Path(tempfile.mkdtemp(prefix="felixpy-image-"))
    try:
        yield Builder(folder)
    finally:
        Builder(folder).try_run("rm", "--all")
        shutil.rmtree(folder, ignore_errors=True)


def base() -> Path:
    """Debian without anything of ours, as an archive."""
    if not BASE.exists():
        BASE.parent.mkdir(parents=True, exist_ok=True)
        part = BASE.with_name(f".{os.getpid()}.{BASE.name}")
        try:
            made = subprocess.run(
                ["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", str(part)],
                capture_output=True, text=True, timeout=BUILD_S, check=False,
            )  # fmt: skip
            if made.returncode:
                pytest.skip(f"mmdebstrap makes no base image here: {made.stderr.strip()[-300:]}")
            part.replace(BASE)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
    return BASE


def wheels(folder: Path) -> Path:
    """The locked packages for the image's Python."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:"]
    lock = ["--python-version", "3.11", "-r", str(ROOT / "manifests/image/requirements.lock")]
    done = subprocess.run(
        [*command, *lock, "-d", str(folder)], capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    if done.returncode:
        pytest.skip(f"the locked packages cannot be had here: {done.stderr.strip()[-300:]}")
    return folder


@pytest.fixture(scope="module")
def container(builder: Builder) -> str:
    """A container of the built image."""
    named = re.search(r"^ARG BASE=(\S+)$", CONTAINERFILE.read_text(), re.MULTILINE)
    assert named
    scratch = builder.run("from", "scratch")
    builder.run("add", scratch, str(base()), "/")
    builder.run("commit", "--quiet", "--rm", builder.policy, scratch, named[1])
    locked = wheels(builder.folder / "wheels")
    built = builder.try_run(
        "build", "--isolation=chroot", "--network=host", "--pull=never", builder.policy,
        "--build-arg=PIP_NO_INDEX=1", "--build-arg=PIP_FIND_LINKS=/wheels", f"--volume={locked}:/wheels:ro",
        "--tag=localhost/felixpy:test", f"--file={CONTAINERFILE}", str(ROOT),
    )  # fmt: skip
    said = built.stdout + built.stderr
    if built.returncode and re.search("Could not (resolve|connect)|Temporary failure resolving", said):
        pytest.skip(f"the package mirror cannot be reached from the image: {said[-300:]}")
    assert built.returncode == 0, said[-6000:]
    # The tests on a cluster take it from there.
    archive = cluster_image.archive().with_suffix(f".{os.getpid()}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    builder.run("push", builder.policy, "localhost/felixpy:test", f"docker-archive:{archive}:{cluster_image.NAME}")
    cluster_image.keep(archive)
    return builder.run("from", "--pull=never", builder.policy, "localhost/felixpy:test")


def inside(builder: Builder, container: str, *words: str, user: str = "0") -> str:
    return builder.run("run", "--isolation=chroot", f"--user={user}", container, "--", *words)


def test_the_image_runs_both_commands_the_static_plugin_and_nft(builder: Builder, container: str) -> None:
    for program in ("felixpy", "birdpy"):
        assert inside(builder, container, program, "--version") == f"{program}, version 0.1.0"
        assert inside(builder, container, program, "--version", user="65534") == f"{program}, version 0.1.0"
    assert "nftables" in inside(builder, container, "nft", "--version")
    inside(builder, container, "felixpy", "cni", "install", "--plugin=shim", "--root=/node")
    asked = "CNI_COMMAND=VERSION exec env -i CNI_COMMAND=VERSION /node/opt/cni/bin/felixpy < /dev/null"
    assert json.loads(inside(builder, container, "sh", "-c", asked))["cniVersion"] == "1.1.0"
    assert json.loads(inside(builder, container, "cat", "/node/etc/cni/net.d/05-felixpy.conflist"))["plugins"]


def test_the_image_holds_no_compiler_no_tests_and_no_packages_of_development(
    builder: Builder, container: str
) -> None:
    said = inside(
        builder, container, "sh", "-c", "command -v gcc pip make; ls /opt/felixpy/lib/python3.*/site-packages; true"
    )
    names = set(said.split())
    assert {"felixpy", "birdpy", "exabgp", "msgspec"} <= names
    assert not {"pytest", "mypy", "tests", "setuptools", "pip"} & names
    assert not [name for name in names if name.startswith("/")]
