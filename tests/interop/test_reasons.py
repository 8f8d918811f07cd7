"""A session that is not up says why: one cause each, from the wire to the sentence of `birdpy peers`."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from birdpy.diagnosis import CLOSED, REFUSED
from felixpy.model.resources import Metadata, Resource, Secret
from felixpy.model.resources.bgp import Password, SecretKeyRef
from tests.interop.neighbours import peer, said_of, soon, switch
from tests.netns.fabric import Fabric, Machine
from tests.speakers import bird, needs

pytestmark = [pytest.mark.root, pytest.mark.interop, needs("bird")]

PASSWORD = Password(secret_key_ref=SecretKeyRef(name="bgp", key="switch"))


def reason(machine: Machine, address: str) -> str:
    known = said_of(machine, address)
    return str(known["reason"]) if known else ""


@contextmanager
def birds(fabric: Fabric, folder: Path, configs: dict[int, str]) -> Iterator[None]:
    """A BIRD at each number."""
    with ExitStack() as stack:
        for number, config in configs.items():
            stack.enter_context(fabric.beside(number))
            if config:
                stack.enter_context(bird(folder / str(number), config))
        yield


def with_secret(fabric: Fabric) -> None:
    secret = Secret(data={"switch": b64encode(b"right").decode()})
    fabric.write([Resource(Metadata(name="bgp", namespace="kube-system"), secret)])


def test_each_peer_that_cannot_be_had_has_its_own_reason(fabric: Fabric, tmp_path: Path) -> None:
    with_secret(fabric)
    n1 = fabric.node("n1", 1)
    fabric.put(
        good=peer(2), other_as=peer(3), theirs_other_as=peer(4), refused=peer(5), stranger=peer(6),
        far=peer(7, ttl_security=1), password=peer(8, password=PASSWORD), nobody=peer(20),
        nowhere=peer(21, peer_ip="10.99.0.1"),
    )  # fmt: skip
    n1.start()
    plain = "multihop;"
    configs = {
        2: switch(2),
        3: switch(3, plain, asn="65333"),
        4: switch(4, plain, neighbor="172.20.0.1 as 64999"),
        5: "",
        6: switch(6, plain, neighbor="172.20.0.77 as 64512"),
        7: switch(7, plain),
        8: switch(8, 'multihop; password "wrong";'),
    }
    with birds(fabric, tmp_path, configs):
        expected = {
            "172.20.0.3": "the peer says it is AS 65333, its BGPPeer says 65003 (NOTIFICATION sent, 2/2)",
            "172.20.0.4": "the peer does not expect AS 64512 from us (NOTIFICATION received, 2/2)",
            "172.20.0.5": REFUSED.format(port=179),
            "172.20.0.6": CLOSED,
            "172.20.0.7": "packets come from more than 1 hop away, or the peer has no TTL security (TCPMinTTLDrop)",
            "172.20.0.8": "the MD5 password is not the peer's (TCPMD5Failure)",
            "172.20.0.20": "172.20.0.20 does not answer ARP on eth1: it is off, or not on that wire",
            "10.99.0.1": "no route leads to 10.99.0.1",
        }
        for address, text in expected.items():
            soon(lambda: reason(n1, address) == text)  # noqa: B023
        soon(lambda: n1.up("172.20.0.2"))
        assert reason(n1, "172.20.0.2") == ""
        table = n1.birdpy("peers", "--node", "n1").stdout
        assert "the MD5 password is not the peer's" in next(
            line for line in table.splitlines() if "172.20.0.8" in line
        )
        soon(lambda: n1.log().count('"session not up"') >= len(expected))
        assert "right" not in n1.log()


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_password_that_only_one_side_has_is_said_to_be_so(fabric: Fabric, tmp_path: Path, whose: str) -> None:
    with_secret(fabric)
    n1 = fabric.node("n1", 1)
    fabric.put(switch=peer(9, password=PASSWORD if whose == "ours" else None))
    n1.start()
    options = "multihop;" if whose == "ours" else 'multihop; password "right";'
    texts = {
        "ours": "the peer has no MD5 password for us (TCPMD5NotFound)",
        "theirs": "the peer has an MD5 password for us, and its BGPPeer has none (TCPMD5Unexpected)",
    }
    with fabric.beside(9), bird(tmp_path / "bird", switch(9, options)):
        soon(lambda: reason(n1, "172.20.0.9") == texts[whose])
