"""`felixpy get`, `apply`, `delete` and `completion`, as a user runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

POOL = "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: default}\nspec: {cidr: 10.65.0.0/16}\n"
NODE = (
    "apiVersion: projectcalico.org/v3\nkind: Node\n"
    "metadata: {{name: {name}, labels: {{rack: r1}}}}\nspec: {{bgp: {{ipv4Address: {address}}}}}\n"
)
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: pw, namespace: kube-system}\nstringData: {key: hunter2}\n"
SERVICE = (
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
    "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\nstatus: {loadBalancer: {ingress: [{ip: 172.16.0.1}]}}\n"
)
SLICE = (
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1}\naddressType: IPv4\n"
    "endpoints: [{addresses: [10.65.0.2]}]\nports: [{port: 80}]\n"
)
POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web-0, annotations: {cni.projectcalico.org/ipv4pools: '[pods]'}}\n"
    "spec: {nodeName: n1, containers: [{name: web}]}\nstatus: {phase: Running, podIPs: [{ip: 10.65.0.2}]}\n"
)
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a, labels: {zone: a}}\nstatus: {phase: Active}\n"


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def felixpy(tmp_path: Path) -> Run:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FELIXPY", "KUBERNETES"))}
    environment = {**clean, "FELIXPY_DATASTORE": f"files:{tmp_path}/store", "FELIXPY_LABS_DIR": f"{tmp_path}/labs"}

    def run(*arguments: str, stdin: str = "", **more: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "felixpy", *arguments],
            input=stdin, env={**environment, **more}, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def test_applying_twice_changes_nothing(felixpy: Run, tmp_path: Path) -> None:
    text = "---\n".join([POOL, NODE.format(name="n1", address="10.0.0.1/24"), SECRET, SERVICE, SLICE])
    names = [
        "ippool/default",
        "node/n1",
        "secret/kube-system/pw",
        "service/default/web",
        "endpointslice/default/web-1",
    ]
    first = felixpy("apply", "-f", "-", stdin=text)
    assert first.out.splitlines() == [f"{name} created" for name in names]
    where = f"applying to files:{tmp_path}/store\n"
    assert first.err == f"{where}felixpy: generation 1\n"
    before = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.yaml")}
    assert felixpy("apply", "-f", "-", stdin=text) == Done(0, "".join(f"{name} unchanged\n" for name in names), where)
    assert {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.yaml")} == before
    changed = felixpy("apply", "-f", "-", stdin=POOL.replace("}\nspec: {", "}\nspec: {disabled: true, "))
    assert changed.out == "ippool/default configured\n"


def test_what_is_applied_replaces_and_never_merges(felixpy: Run) -> None:
    felixpy("apply", "-f", "-", stdin=POOL.replace("16}", "16, natOutgoing: true}") + "---\n" + SERVICE)
    felixpy("apply", "-f", "-", stdin=POOL + "---\n" + SERVICE.replace(", ports: [{port: 80}]", ""))
    assert json.loads(felixpy("get", "ippool", "default", "-o", "json").out)["spec"] == {"cidr": "10.65.0.0/16"}
    assert json.loads(felixpy("get", "svc", "web", "-o", "json").out)["spec"] == {"clusterIP": "10.96.0.1"}


def test_what_is_printed_can_be_applied_elsewhere(felixpy: Run, tmp_path: Path) -> None:
    felixpy("apply", "-f", "-", stdin=POOL + "---\n" + NODE.format(name="n1", address="10.0.0.1/24"))
    other = f"files:{tmp_path}/other"
    for output in ("yaml", "json"):
        listing = felixpy("get", "nodes", "-o", output).out
        done = felixpy("apply", "-f", "-", "--datastore", other, stdin=listing)
        assert done.code == 0 and done.out.startswith("node/n1 ")
    assert felixpy("get", "node", "n1", "--datastore", other).out == "NAME\nn1\n"


def test_one_refused_object_does_not_stop_the_others(felixpy: Run, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(POOL + "---\n" + POOL.replace("default", "second"))
    (folder / "b.yml").write_text("kind: [\n")
    (folder / "c.json").write_text(json.dumps(yaml.safe_load(NODE.format(name="n1", address="10.0.0.1/24"))))
    (folder / "d.yaml").write_text(NODE.format(name="n2", address="10.0.0.1/24"))
    (folder / "e.yaml").write_text(POOL.replace("default", "third").replace("cidr:", "natOutgoin: true, cidr:"))
    (folder / "ignored.txt").write_text("kind: [\n")
    done = felixpy("apply", "-f", str(folder), "-f", str(tmp_path / "gone.yaml"))
    assert done.code == 1
    assert done.out.splitlines() == ["ippool/default created", "node/n1 created"]
    _, generation, *errors = done.err.splitlines()
    assert generation == "felixpy: generation 1"
    assert [error.split(": ")[0] for error in errors] == ["refused"] * 5 + ["felixpy"]
    for error, words in zip(
        errors,
        (
            "a.yaml, document 2: IPPool/second: spec.cidr: 10.65.0.0/16 overlaps 10.65.0.0/16 of IPPool/default",
            "b.yml: line 2: is not YAML",
            "d.yaml: Node/n2: spec.bgp.ipv4Address: 10.0.0.1 is the address of Node/n1 too",
            "e.yaml: IPPool/third: spec.natOutgoin: is not a field of IPPool; did you mean natOutgoing?",
            "gone.yaml: No such file or directory",
            "5 objects were not applied",
        ),
        strict=True,
    ):
        assert words in error


def test_a_refusal_names_the_object_that_was_applied_whichever_name_comes_first(felixpy: Run) -> None:
    assert felixpy("apply", "-f", "-", stdin=POOL).code == 0
    done = felixpy("apply", "-f", "-", stdin=POOL.replace("default", "aaa"))
    assert done.code == 1
    assert "stdin: IPPool/aaa: against IPPool/default: spec.cidr: 10.65.0.0/16 overlaps 10.65.0.0/16" in done.err


def test_a_dry_run_says_what_would_happen_and_stores_nothing(felixpy: Run, tmp_path: Path) -> None:
    for _ in ("without a store", "with an empty one"):
        done = felixpy("apply", "-f", "-", "--dry-run", stdin=POOL)
        assert done.out == "ippool/default created\n" and "dry run" in done.err
        assert list(tmp_path.rglob("*.yaml")) == []
        (tmp_path / "store").mkdir(exist_ok=True)


def test_what_is_fixed_cannot_be_changed(felixpy: Run) -> None:
    felixpy("apply", "-f", "-", stdin=POOL)
    done = felixpy("apply", "-f", "-", stdin=POOL.replace("65.0.0", "66.0.0"))
    assert done.code == 1 and "delete the pool and make a new one" in done.err


def test_a_saved_object_is_refused_when_the_stored_one_changed_meanwhile(felixpy: Run) -> None:
    felixpy("apply", "-f", "-", stdin=NODE.format(name="n1", address="10.0.0.1/24"))
    saved = felixpy("get", "node", "n1", "-o", "yaml").out
    felixpy("apply", "-f", "-", stdin=NODE.format(name="n1", address="10.0.0.2/24"))
    done = felixpy("apply", "-f", "-", stdin=saved)
    assert done.code == 1 and "changed since it was read: leave resourceVersion out" in done.err


def test_a_broken_file_is_reported_repaired_and_deleted(felixpy: Run, tmp_path: Path) -> None:
    felixpy("apply", "-f", "-", stdin=POOL + "---\n" + NODE.format(name="n1", address="10.0.0.1/24"))
    path = tmp_path / "store" / "ippools" / "default.yaml"
    path.write_bytes(b"\x00\xff")
    done = felixpy("get", "ippools")
    assert done.code == 1 and f"{path}: line 1: is not" in done.err
    assert felixpy("get", "nodes").code == 0
    assert felixpy("apply", "-f", "-", stdin=POOL).out == "ippool/default configured\n"
    path.write_bytes(b"\x00\xff")
    assert felixpy("delete", "ippool", "default").code == 0
    assert not path.exists()


def test_deleting_says_what_is_not_there(felixpy: Run, tmp_path: Path) -> None:
    felixpy("apply", "-f", "-", stdin=POOL + "---\n" + SECRET)
    done = felixpy("delete", "ippool", "default", "nothing")
    assert done.code == 1 and done.out == "ippool/default deleted\n"
    assert done.err.splitlines() == [
        f"deleting from files:{tmp_path}/store",
        f"refused: ippool 'nothing' is not in files:{tmp_path}/store",
        "felixpy: 1 of 2 not deleted",
    ]
    assert felixpy("delete", "ippool", "nothing", "--ignore-not-found").code == 0
    assert felixpy("delete", "secret/pw").out == "secret/kube-system/pw deleted\n"
    assert felixpy("delete", "ippool").code == 2


def test_tables_have_the_columns_that_calico_users_know(felixpy: Run) -> None:
    peer = POOL.replace("IPPool", "BGPPeer").replace("default", "tor")
    peer = peer.replace("cidr: 10.65.0.0/16", "peerIP: 10.0.0.9, asNumber: '1.0'")
    felixpy(
        "apply", "-f", "-", stdin="\n---\n".join([POOL, NODE.format(name="n1", address="10.0.0.1/24"), peer, SERVICE])
    )
    shown = {
        ("ippool",): ["NAME CIDR SELECTOR", "default 10.65.0.0/16 all()"],
        ("pool", "-o", "wide"): [
            "NAME CIDR NAT IPIPMODE VXLANMODE DISABLED DISABLEBGPEXPORT SELECTOR ASSIGNMENTMODE",
            "default 10.65.0.0/16 false Never Never false false all() Automatic",
        ],
        ("node",): ["NAME", "n1"],
        ("no", "-o", "wide"): ["NAME ASN IPV4 IPV6", "n1 (64512) 10.0.0.1/24 -"],
        ("bgpp",): ["NAME PEERIP NODE ASN", "tor 10.0.0.9 (global) 65536"],
        ("wep",): ["WORKLOAD NODE NETWORKS INTERFACE"],
        ("svc",): ["NAMESPACE NAME TYPE CLUSTER-IP EXTERNAL-IP", "default web ClusterIP 10.96.0.1 172.16.0.1"],
        ("node", "-l", "rack == 'r1'"): ["NAME", "n1"],
        ("node", "-l", "rack != 'r1'"): ["NAME"],
    }
    for arguments, lines in shown.items():
        done = felixpy("get", *arguments)
        assert [" ".join(line.split()) for line in done.out.splitlines()] == lines, done.err


def test_a_secret_never_shows_its_values(felixpy: Run) -> None:
    felixpy("apply", "-f", "-", stdin=SECRET)
    for output in ("table", "wide", "json", "yaml"):
        done = felixpy("get", "secret", "pw", "-o", output)
        assert "key" in done.out
        assert "hunter2" not in done.out + done.err and "aHVudGVyMg" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("get", "ippol"), "nearest: ippool", 2),
        (("get", "node", "n1", "-l", "x ="), "--selector: column 3", 2),
        (("get", "node/n1", "n2"), "two names", 2),
        (("get", "node", "--datastore", "etcd:"), "is not files:DIR or kubernetes", 2),
        (("get", "node", "--datastore", "kubernetes"), "no kubeconfig: give --datastore", 2),
        (("get", "node", "--datastore", "files:/nowhere"), "/nowhere: there is no such folder", 1),
        (("get", "node", "--lab", "x"), "no lab is named 'x'; none is running", 2),
        (("get", "node", "--lab", "x", "--datastore", "files:/"), "not both", 2),
        (("delete", "node", "n1", "--datastore", "files:/nowhere"), "/nowhere: there is no such folder", 1),
    ],
)
def test_mistakes_are_named(felixpy: Run, arguments: tuple[str, ...], words: str, code: int) -> None:
    done = felixpy(*arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


def test_the_datastore_is_the_one_running_lab_unless_told(felixpy: Run, tmp_path: Path) -> None:
    for name in ("red", "blue"):
        (tmp_path / "labs" / name / "store").mkdir(parents=True)
    (tmp_path / "labs" / "red" / "lab.json").write_text("{}")
    assert felixpy("apply", "-f", "-", stdin=POOL, FELIXPY_DATASTORE="").code == 0
    assert (tmp_path / "labs" / "red" / "store" / "ippools" / "default.yaml").exists()
    (tmp_path / "labs" / "blue" / "lab.json").write_text("{}")
    assert "2 labs are running (blue, red): choose one with --lab" in felixpy("get", "node", FELIXPY_DATASTORE="").err
    assert felixpy("get", "ippool", "--lab", "red").out.count("default") == 1
    assert felixpy("get", "ippool", "--lab", "blue").out.count("default") == 0
    (tmp_path / "labs").rename(tmp_path / "gone")
    assert "no datastore: give --datastore" in felixpy("get", "node", FELIXPY_DATASTORE="").err


@pytest.mark.parametrize("program", ["felixpy", "birdpy"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(program: str, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, "completion", shell], capture_output=True, text=True, check=True, timeout=30
    )
    assert f"_{program.upper()}_COMPLETE={shell}_complete" in done.stdout


def test_the_shell_is_told_verbs_kinds_and_names(tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    for name in ("n1", "n2", "m1"):
        (tmp_path / "nodes" / f"{name}.yaml").touch()

    def complete(words: str) -> list[str]:
        environment = {
            **os.environ,
            "FELIXPY_DATASTORE": f"files:{tmp_path}",
            "_FELIXPY_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        program = "from felixpy.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=30
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("felixpy ap") == ["apply"]
    assert complete("felixpy get ipp") == ["ippool"]
    assert complete("felixpy get ippools -o y") == ["yaml"]
    assert complete("felixpy get node n") == ["n1", "n2"]
    assert complete("felixpy delete node m") == ["m1"]


def test_pods_and_namespaces_of_a_cluster_can_be_brought_along(felixpy: Run) -> None:
    first = felixpy("apply", "-f", "-", stdin=POD + "---\n" + NAMESPACE)
    assert first.code == 0, first.err
    assert "unchanged" in felixpy("apply", "-f", "-", stdin=POD).out
    stored = json.loads(felixpy("get", "pod", "web-0", "-o", "json").out)
    assert stored["spec"]["containers"] == [{"name": "web"}]
    assert stored["status"]["phase"] == "Running"
    assert felixpy("get", "pods").out.split()[-5:] == ["default", "web-0", "Running", "n1", "10.65.0.2"]
    assert felixpy("get", "ns").out.split()[-2:] == ["team-a", "Active"]
