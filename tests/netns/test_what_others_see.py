"""What another user of the machine can read or change of a node, whatever umask its daemons start with."""

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer, Metadata, Resource, Secret
from felixpy.model.resources.bgp import Password, SecretKeyRef
from tests.namespaces import Namespace
from tests.netns.agent_process import node
from tests.netns.cni_plugin import Runtime, apply, document
from tests.netns.fabric import Fabric, eventually
from tests.speakers import bird, needs

pytestmark = [pytest.mark.root]

WORD = "correct-horse-battery"
SECRETS = (WORD.encode(), b64encode(WORD.encode()))
PEER = f"""
router id 172.20.0.9;
protocol device {{}}
protocol bgp n1 {{ local 172.20.0.9 as 65009; neighbor 172.20.0.1 as 64512; multihop; password "{WORD}";
  connect delay time 1; connect retry time 1; ipv4 {{ import all; export all; }}; }}
"""


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def below(*folders: Path) -> list[Path]:
    """The folders and everything in them."""
    return [path for folder in folders for path in (folder, *folder.rglob("*")) if not path.is_symlink()]


def open_to_others(paths: list[Path], bits: int) -> list[str]:
    """Those whose mode has one of `bits`."""
    return [f"{path} {path.stat().st_mode & 0o777:o}" for path in paths if path.stat().st_mode & bits]


def holding(paths: list[Path]) -> list[Path]:
    """The files in which the password stands, as it is or in base64."""
    return [path for path in paths if path.is_file() and any(word in path.read_bytes() for word in SECRETS)]


def descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in descendants(int(child)))]


def test_nothing_of_the_agent_is_writable_by_others_and_its_sockets_are_its_own(
    netns: Namespace, tmp_path: Path
) -> None:
    with node(tmp_path) as made:
        apply(made, document("Node", "n1"), document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28))
        with umask(0):
            made.start()
        Runtime(made).add("one", netns.another())
        seen = below(made.folder / "run", made.folder / "state")
        sockets = [path for path in seen if path.is_socket()]
        assert sorted(path.name for path in sockets) == ["cni.sock", "felixpy.sock"]
        assert open_to_others(sockets, 0o077) == []
        assert open_to_others(seen, 0o022) == []
        (made.folder / "run" / "felixpy.pid").chmod(0o666)  # the negative control
        assert open_to_others(below(made.folder / "run"), 0o022) == [f"{made.folder}/run/felixpy.pid 666"]


@needs("bird")
def test_a_password_is_in_no_file_log_or_process_list_that_others_can_read(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    password = Password(secret_key_ref=SecretKeyRef(name="bgp", key="tor"))
    fabric.put(tor=BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009), password=password))
    fabric.write([Resource(Metadata("bgp", "kube-system"), Secret(data={"tor": SECRETS[1].decode()}))])
    with fabric.beside(9), bird(tmp_path / "bird", PEER):
        with umask(0):
            n1.start()
        eventually(lambda: n1.up("172.20.0.9"), 60)
        (remembered,) = eventually(lambda: holding(list((n1.folder / "run").rglob("secrets*.json"))))
        ours = below(n1.folder, fabric.folder / "store")
        assert sorted(path.name for path in holding(ours)) == ["exabgp.conf", "kube-system.bgp.yaml", remembered.name]
        assert open_to_others(holding(ours), 0o007) == []
        assert open_to_others([remembered], 0o077) == []
        assert open_to_others(below(n1.folder / "run", n1.folder / "state"), 0o022) == []
        assert open_to_others([path for path in ours if path.is_socket()], 0o077) == []
        assert n1.process is not None
        family = descendants(n1.process.pid)
        assert len(family) == 3, "birdpy, ExaBGP and the bridge"
        for pid in family:
            for told in ("cmdline", "environ"):
                said = Path(f"/proc/{pid}/{told}").read_bytes()
                assert said if told == "cmdline" else True
                assert not any(word in said for word in SECRETS)
        for question in ("peers", "health"):
            assert not any(word.decode() in str(n1.ask(question)) for word in SECRETS)
        assert WORD in (tmp_path / "bird" / "bird.conf").read_text()
        assert holding(below(tmp_path / "bird")), "the negative control: BIRD's own file is found"
