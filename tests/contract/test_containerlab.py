"""What we ship for containerlab: valid by its own schema, and an image that would hold what its nodes need."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from felixpy.lab.images import Program
from felixpy.lab.topology import load

ROOT = Path(__file__).parents[2]
OURS = sorted((ROOT / "containerlab").glob("*.clab.yml"))
IMAGE = ROOT / "manifests" / "image"


@pytest.fixture(scope="module")
def schema() -> Any:
    text = (ROOT / "tests" / "data" / "containerlab" / "clab.schema.json").read_text()
    # Python's re has no \p classes.
    document = json.loads(text.replace("\\\\p{N}\\\\p{L}", "\\\\w").replace("\\\\p{L}\\\\p{N}", "\\\\w"))
    return jsonschema.Draft7Validator(document)


def test_all_topologies_are_there() -> None:
    names = {file.name.partition(".")[0] for file in OURS}
    assert names == {"dual-stack", "dual-tor", "leaf-spine", "quickstart", "route-reflector", "routed"}


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_a_topology_is_valid_by_containerlabs_own_schema(file: Path, schema: Any) -> None:
    assert [error.message for error in schema.iter_errors(yaml.safe_load(file.read_text()))] == []


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_the_schema_would_notice_a_wrong_field(file: Path, schema: Any) -> None:
    document = yaml.safe_load(file.read_text())
    next(iter(document["topology"]["nodes"].values()))["binding"] = []
    assert list(schema.iter_errors(document))


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_everything_that_a_topology_binds_is_there(file: Path) -> None:
    for node in load(file).nodes.values():
        for bind in node.binds:
            assert (file.parent / bind.source).exists(), f"{node.name}: {bind.source}"


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_nodes_of_a_lab_share_one_store_under_containerlab_too(file: Path) -> None:
    nodes = [node for node in load(file).nodes.values() if node.program is Program.FELIXPY]
    stores = {bind.source for node in nodes for bind in node.binds if bind.target == "/var/lib/felixpy/store"}
    assert len(stores) == 1
    assert all(any(bind.target == "/var/lib/felixpy/store" for bind in node.binds) for node in nodes)


def instructions() -> list[tuple[str, str]]:
    text = (IMAGE / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_copies_only_what_is_in_the_repository() -> None:
    copied = [shlex.split(rest) for what, rest in instructions() if what == "COPY" and "--from=" not in rest]
    sources = [part for parts in copied for part in parts[:-1]]
    assert {"felixpy", "birdpy", "pyproject.toml", "manifests/image/entrypoint"} <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_nothing_that_the_image_copies_is_hidden_from_the_builder() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [shlex.split(rest) for what, rest in instructions() if what == "COPY" and "--from=" not in rest]
    sources = [part for parts in copied for part in parts[:-1]]
    assert sources and all(any(source == k or source.startswith(f"{k}/") for k in kept) for source in sources)


def locked(file: Path) -> dict[str, set[str]]:
    """Package and version, with what is asked of the system -> its hashes."""
    entries = re.split(r"\n(?=\S)", file.read_text().strip())
    return {entry.split(" \\")[0]: set(re.findall(r"sha256:\w+", entry)) for entry in entries}


def test_the_image_takes_every_dependency_and_exactly_the_locked_ones() -> None:
    ours, all_of_them = locked(IMAGE / "requirements.lock"), locked(ROOT / "requirements.lock")
    assert len(ours) > 8 and all(ours.values())
    assert {name: all_of_them.get(name) for name in ours} == ours, "make lock writes both files"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.split(r"[=<>]", line)[0].replace("_", "-") for line in project["dependencies"]}
    assert asked <= {name.partition("==")[0] for name in ours}


def test_both_stages_of_the_image_start_from_one_pinned_base() -> None:
    (base,) = [rest.partition("=")[2] for what, rest in instructions() if what == "ARG" and rest.startswith("BASE=")]
    assert re.fullmatch(r"docker\.io/library/debian:bookworm-\d{8}-slim", base)
    assert [rest.split()[0] for what, rest in instructions() if what == "FROM"] == ["${BASE}", "${BASE}"]


def test_the_image_installs_every_program_that_an_exec_line_calls() -> None:
    installed = " ".join(rest for what, rest in instructions() if what == "RUN")
    packages = {"ip": "iproute2", "ping": "iputils-ping", "nft": "nftables"}
    called = {
        shlex.split(line)[0]
        for file in OURS
        for node in load(file).nodes.values()
        if node.program is Program.FELIXPY
        for line in node.exec
    }
    assert called == {"ip", "felixpy"}
    assert all(package in installed for package in packages.values())


def test_the_images_entrypoint_runs_both_daemons_or_what_it_is_told() -> None:
    entrypoint = IMAGE / "entrypoint"
    text = entrypoint.read_text()
    assert entrypoint.stat().st_mode & 0o111
    assert re.findall(r"^keep (\w+ \w+) &$", text, re.MULTILINE) == ["felixpy run", "birdpy run"]
    assert '|| exec "$@"' in text
    assert ("ENTRYPOINT", '["/usr/local/bin/felixpy-entrypoint"]') in instructions()
