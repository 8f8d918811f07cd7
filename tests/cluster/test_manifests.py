"""What the manifests say: valid by the schemas of a new Kubernetes, for a real server, no more rights than needed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import binaries
from tests.cluster.ground import Ground
from tests.cluster.install import MANIFESTS

OVERLAYS = ("mesh", "route-reflectors", "tor-per-rack", "uninstall")
VALIDATOR = "kubernetes-validate==1.37.0"  # 108 MB: not for every developer
CAPABILITIES = {
    ("felixpy", "install"): [], ("felixpy", "felixpy"): ["NET_ADMIN", "NET_RAW"],
    ("birdpy", "birdpy"): ["NET_ADMIN", "NET_BIND_SERVICE", "SETUID", "SETGID", "KILL"],
}  # fmt: skip


def documents(folder: str) -> list[dict[str, Any]]:
    """Every object of a folder, with those of the folders that it takes."""
    place = (MANIFESTS / folder).resolve()
    found = []
    for name in yaml.safe_load((place / "kustomization.yaml").read_text())["resources"]:
        path = place / name
        if path.is_dir():
            found += documents(str(path))
        else:
            found += [one for one in yaml.safe_load_all(path.read_text()) if one]
    return found


@pytest.mark.parametrize("daemon", ["felixpy", "birdpy"])
def test_a_daemon_has_exactly_its_capabilities_and_no_privilege(daemon: str) -> None:
    (found,) = (one for one in documents("base") if one["kind"] == "DaemonSet" and one["metadata"]["name"] == daemon)
    spec = found["spec"]["template"]["spec"]
    assert spec["hostNetwork"] and spec["tolerations"] == [{"operator": "Exists"}]
    assert not {"hostPID", "hostIPC"} & spec.keys()
    assert found["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1}
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        rights = container["securityContext"]
        assert rights["capabilities"]["drop"] == ["ALL"]
        assert rights["capabilities"].get("add", []) == CAPABILITIES[daemon, container["name"]]
        assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False)
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"} and "privileged" not in rights
        assert {"requests", "limits"} <= container["resources"].keys()


def test_a_pod_that_has_uninstalled_holds_nothing_of_its_node() -> None:
    """It outlives the deletion of its DaemonSet by some seconds, in which the next installation begins."""
    (found,) = (one for one in documents("uninstall") if one["kind"] == "DaemonSet")
    (left,) = found["spec"]["template"]["spec"]["containers"]
    assert not {"volumeMounts", "env", "envFrom"} & left.keys()
    assert left["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_every_overlay_holds_the_base_once() -> None:
    for overlay in OVERLAYS[:3]:
        names = [(one["kind"], one["metadata"]["name"]) for one in documents(overlay)]
        assert len(names) == len(set(names)) and ("DaemonSet", "birdpy") in names
    assert documents(".") == documents("mesh")


def test_the_schemas_of_a_new_kubernetes_accept_every_object(tmp_path: Path) -> None:
    program = validator()
    ours = [one for overlay in OVERLAYS for one in documents(overlay) if "projectcalico" not in one["apiVersion"]]
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(ours))
    done = subprocess.run([program, "-k", "1.36", "--strict", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ours[0]["metadata"]["naem"] = "wrong"
    file.write_text(yaml.safe_dump_all(ours))
    assert subprocess.run([program, "-k", "1.36", "--strict", str(file)], capture_output=True, check=False).returncode


@pytest.mark.root
@pytest.mark.timeout(600)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_real_server_accepts_every_overlay(ground: Ground, overlay: str) -> None:
    said = ground.kubectl("apply", "--dry-run=server", "-k", str(MANIFESTS / overlay))
    assert said.count("(server dry run)") == len(documents(overlay))


def validator() -> str:
    """The program, in a virtual environment of its own in the user's cache; skips where it cannot be had."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "felixpy" / VALIDATOR
    program = base / "bin" / "kubernetes-validate"
    if not program.exists():
        if binaries.folder() is None:
            pytest.skip("needs what tests/cluster/build.sh makes: nothing was to be downloaded")
        making = [[sys.executable, "-m", "venv", str(base)], [str(base / "bin/pip"), "install", "-q", VALIDATOR]]
        for line in making:
            done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"needs {VALIDATOR}: {done.stderr.strip()[-200:]}")
    return str(program)
