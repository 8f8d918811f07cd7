"""`felixpy install`, `felixpy cni install` and their opposites, into a tree; systemd's own check of the units."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

UNITS = "etc/systemd/system"
CONFLIST = "etc/cni/net.d/05-felixpy.conflist"
PLUGIN = "opt/cni/bin/felixpy"
WHOLE = {
    "etc/felixpy/environment",
    "etc/systemd/networkd.conf.d/felixpy.conf",
    f"{UNITS}/felixpy.service",
    f"{UNITS}/birdpy.service",
    PLUGIN,
    CONFLIST,
    "var/lib/felixpy/installed.json",
}


def felixpy(root: Path, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "felixpy", *words, "--root", str(root)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FELIXPY_")}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=kept)
    assert done.returncode == code, done
    return done


def install(root: Path, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    return felixpy(root, "install", "--systemd", "--node", "n1", "--plugin", "python", *words, code=code)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_installing_and_uninstalling_leaves_the_tree_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("n1\n")
    before = sorted(tmp_path.rglob("*"))
    said = install(tmp_path).stdout
    assert set(tree(tmp_path)) == WHOLE | {"etc/hostname"}
    written = [line for line in said.splitlines() if line.startswith("written")]
    assert written[-1].endswith(CONFLIST), "the configuration comes last"
    gone = felixpy(tmp_path, "uninstall").stdout.splitlines()
    assert gone[0].endswith(CONFLIST) and gone[0].startswith("removed"), "and goes first"
    assert len(gone) == 6
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tree_that_was_made_for_it_goes_too(tmp_path: Path) -> None:
    root = tmp_path / "image"
    install(root)
    felixpy(root, "uninstall")
    assert list(tmp_path.iterdir()) == []


def test_installing_again_changes_nothing(tmp_path: Path) -> None:
    install(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "installed.json"}
    said = install(tmp_path).stdout.splitlines()
    assert len(said) == 6 and all(line.startswith("unchanged: ") for line in said)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_dry_run_prints_every_file_and_writes_none(tmp_path: Path) -> None:
    said = install(tmp_path, "--dry-run")
    for name in WHOLE - {"var/lib/felixpy/installed.json"}:
        assert f"# /{name} (mode 0" in said.stdout
    assert "FELIXPY_NODE=n1" in said.stdout and '"type": "felixpy"' in said.stdout
    assert "systemctl enable --now felixpy.service birdpy.service" in said.stderr
    assert tree(tmp_path) == {}


def test_what_the_user_changed_stays_and_is_named(tmp_path: Path) -> None:
    install(tmp_path)
    for name in ("etc/felixpy/environment", f"{UNITS}/birdpy.service"):
        with (tmp_path / name).open("a") as file:
            file.write("# mine\n")
    again = install(tmp_path)
    gone = felixpy(tmp_path, "uninstall")
    for name in ("etc/felixpy/environment", f"{UNITS}/birdpy.service"):
        for said in (again, gone):
            assert f"kept: changed since it was installed: {tmp_path / name}" in said.stderr
    assert set(tree(tmp_path)) == {"etc/felixpy/environment", f"{UNITS}/birdpy.service"}
    assert all(text.endswith(b"# mine\n") for text in tree(tmp_path).values())


def test_a_new_version_replaces_what_the_user_left_alone(tmp_path: Path) -> None:
    install(tmp_path)
    said = install(tmp_path, "--datastore", "files:/srv/store").stdout
    assert f"written: {tmp_path}/etc/felixpy/environment" in said
    assert b"FELIXPY_DATASTORE=files:/srv/store" in tree(tmp_path)["etc/felixpy/environment"]
    assert b"ReadWritePaths=/srv/store" in tree(tmp_path)[f"{UNITS}/felixpy.service"]
    felixpy(tmp_path, "uninstall")
    assert tree(tmp_path) == {}


def test_somebody_elses_unit_of_that_name_stops_everything_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / UNITS).mkdir(parents=True)
    (tmp_path / UNITS / "birdpy.service").write_text("[Service]\n")
    assert "birdpy.service is there already and not felixpy's" in install(tmp_path, code=1).stderr
    assert set(tree(tmp_path)) == {f"{UNITS}/birdpy.service"}


def test_beside_another_network_it_refuses_and_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "etc/cni/net.d"
    folder.mkdir(parents=True)
    (folder / "10-calico.conflist").write_text('{"name": "x", "plugins": [{"type": "calico"}]}')
    refused = felixpy(tmp_path, "cni", "install", "--plugin", "python", code=1)
    assert "another network is configured: 10-calico.conflist (type calico)" in refused.stderr
    assert len(tree(tmp_path)) == 1
    felixpy(tmp_path, "cni", "install", "--plugin", "python", "--take-over")
    assert CONFLIST in tree(tmp_path) and "etc/cni/net.d/10-calico.conflist" in tree(tmp_path)
    (folder / "00-multus.conf").write_text('{"name": "m", "type": "multus"}')
    refused = felixpy(tmp_path, "cni", "install", "--plugin", "python", "--take-over", code=1)
    assert "00-multus.conf (type multus), which comes before 05-felixpy.conflist" in refused.stderr


def test_the_plugin_alone_and_its_removal(tmp_path: Path) -> None:
    felixpy(tmp_path, "cni", "install", "--plugin", "python", "--plugin-only")
    assert PLUGIN in tree(tmp_path) and CONFLIST not in tree(tmp_path)
    felixpy(tmp_path, "cni", "install", "--plugin", "python")
    assert CONFLIST in tree(tmp_path)
    felixpy(tmp_path, "cni", "uninstall")
    assert tree(tmp_path) == {}


def test_plugins_that_lie_beside_ours_are_chained(tmp_path: Path) -> None:
    (tmp_path / "opt/cni/bin").mkdir(parents=True)
    (tmp_path / "opt/cni/bin/portmap").touch(mode=0o755)
    felixpy(tmp_path, "cni", "install", "--plugin", "python")
    assert [p["type"] for p in json.loads(tree(tmp_path)[CONFLIST])["plugins"]] == ["felixpy", "portmap"]
    felixpy(tmp_path, "cni", "install", "--plugin", "python", "--chain", "none")
    assert [p["type"] for p in json.loads(tree(tmp_path)[CONFLIST])["plugins"]] == ["felixpy"]


@pytest.mark.parametrize("kind", ["python", "shim"])
def test_the_installed_plugin_answers(tmp_path: Path, kind: str) -> None:
    if kind == "shim" and shutil.which("cc") is None:
        pytest.skip("needs a C compiler (cc)")
    felixpy(tmp_path, "cni", "install", "--plugin", kind)
    env = {"CNI_COMMAND": "VERSION", "PATH": "/usr/bin"}
    done = subprocess.run(
        [tmp_path / PLUGIN], env=env, input="", capture_output=True, text=True, timeout=20, check=True
    )
    assert json.loads(done.stdout)["cniVersion"] == "1.1.0"
    linked = b"/bin/python" not in (tmp_path / PLUGIN).read_bytes()
    assert linked is (kind == "shim")


def test_without_an_agent_the_configuration_is_not_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "felixpy", "cni", "install", "--plugin", "python", "--wait", "0.3"]
    folders = ["--bin-dir", str(tmp_path / "bin"), "--conf-dir", str(tmp_path / "net.d")]
    env = {**os.environ, "FELIXPY_RUN_DIR": str(tmp_path / "run"), "FELIXPY_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run([*command, *folders], env=env, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "the CNI configuration was not written: start the agent" in done.stderr
    assert (tmp_path / "bin/felixpy").exists() and not (tmp_path / "net.d/05-felixpy.conflist").exists()


def test_killed_at_any_moment_it_leaves_whole_files_that_uninstall_finds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "felixpy", "install", "--systemd", "--plugin", "python", "--root"]
    whole = tmp_path / "whole"
    felixpy(whole, "install", "--systemd", "--plugin", "python")
    for number, wait_s in enumerate((0.15, 0.18, 0.2, 0.22, 0.25)):
        root = tmp_path / str(number)
        installer = subprocess.Popen([*command, str(root)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait_s)
        installer.send_signal(signal.SIGKILL)
        installer.wait(10)
        for name, content in tree(root).items():
            assert name.endswith((".part", "installed.json")) or content == tree(whole)[name]
        felixpy(root, "uninstall")
        assert [name for name in tree(root) if not name.endswith(".part")] == []


def test_a_receipt_that_cannot_be_read_is_trouble_and_not_a_traceback(tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / "var/lib/felixpy/installed.json").write_text("{")
    assert "installed.json: cannot be read" in felixpy(tmp_path, "uninstall", code=1).stderr


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian package systemd)"
)


def analyzed(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


@needs_systemd
@pytest.mark.parametrize(("daemon", "limit"), [("felixpy", 3.0), ("birdpy", 3.3)])
def test_systemd_verifies_the_units_and_rates_them_ok(tmp_path: Path, daemon: str, limit: float) -> None:
    install(tmp_path)
    unit = tmp_path / UNITS / f"{daemon}.service"
    verified = analyzed("verify", "--man=no", str(unit))
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = analyzed("security", "--offline=true", "--no-pager", f"--threshold={round(limit * 10)}", str(unit))
    assert rated.returncode == 0, rated.stdout + rated.stderr


@needs_systemd
def test_systemd_would_say_what_is_wrong(tmp_path: Path) -> None:
    """The negative control: a misspelt setting, and the same unit without its hardening."""
    install(tmp_path)
    unit = tmp_path / UNITS / "felixpy.service"
    text = unit.read_text()
    unit.write_text(text.replace("KillMode=mixed", "KillMod=mixed"))
    assert "Unknown key 'KillMod'" in analyzed("verify", "--man=no", str(unit)).stderr
    unit.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("Protect", "Restrict"))))
    assert analyzed("security", "--offline=true", "--no-pager", "--threshold=30", str(unit)).returncode != 0
