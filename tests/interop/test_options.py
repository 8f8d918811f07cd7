"""One case for each option of a session, from the resource to the wire to what both sides then have."""

from base64 import b64encode
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPConfiguration, Metadata, Resource, Secret
from felixpy.model.resources.bgp import Password, SecretKeyRef
from tests.interop.daemons import Link, daemon, each_daemon, not_gobgp
from tests.interop.neighbours import PREFIX, connections, counter, dropped, peer, said_of, soon, tor
from tests.netns.fabric import Fabric, Machine
from tests.speakers import needs

pytestmark = [pytest.mark.root, pytest.mark.interop, needs("bird")]
VIA_9 = "via 172.20.0.9 dev eth1 proto bird"
BLOCK = "10.65.1.0/26"


def started(fabric: Fabric) -> Machine:
    """n1 as it is configured so far, its router started."""
    n1 = fabric.node("n1", 1)
    n1.start()
    return n1


@each_daemon
def test_a_wrong_password_keeps_only_its_own_session_down_until_it_is_mended(
    fabric: Fabric, tmp_path: Path, kind: str
) -> None:
    """The kernel's own counter shows that their segments arrived and were refused; the control is the right one."""
    secret = Secret(data={"switch": b64encode(b"right").decode()})
    fabric.write([Resource(Metadata(name="bgp", namespace="kube-system"), secret)])
    password = Password(secret_key_ref=SecretKeyRef(name="bgp", key="switch"))
    fabric.put(right=peer(8, password=password), wrong=peer(9, password=password))
    n1 = started(fabric)
    right, wrong = (Link(1, 64512, password=word) for word in ("right", "wrong"))
    with fabric.beside(8), daemon(tmp_path / "8", "bird", tor(8, link=right)), fabric.beside(9):
        with daemon(tmp_path / "wrong", kind, tor(link=wrong)):
            soon(lambda: n1.up("172.20.0.8"))
            soon(lambda: counter(n1, "TCPMD5Failure") > 2)
            assert (said_of(n1)["state"], said_of(n1)["received"]) == ("connect", 0)
            soon(lambda: said_of(n1)["reason"] == "the MD5 password is not the peer's (TCPMD5Failure)")
            soon(lambda: n1.routes().get(PREFIX) == "via 172.20.0.8 dev eth1 proto bird")
        with daemon(tmp_path / "right", kind, tor(link=right)) as theirs:
            soon(lambda: n1.up("172.20.0.9") and theirs.up("172.20.0.1") and theirs.view(BLOCK))
        assert "right" not in n1.log() and dropped(n1) <= {"Node_172_20_0_9"}


@each_daemon
def test_ttl_security_keeps_out_who_may_be_far_away(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    """The near one sends TTL 255, the other one 64; the kernel's counter shows that it was refused for that."""
    fabric.put(near=peer(9, ttl_security=1), far=peer(8, ttl_security=1))
    n1 = started(fabric)
    near = tor(link=Link(1, 64512, near=True))
    with (
        fabric.beside(8), daemon(tmp_path / "8", "bird", tor(8)) as far,
        fabric.beside(9), daemon(tmp_path / "9", kind, near) as theirs,
    ):  # fmt: skip
        soon(lambda: n1.up("172.20.0.9") and theirs.up("172.20.0.1"))
        soon(lambda: counter(n1, "TCPMinTTLDrop") > 2)
        assert not n1.up("172.20.0.8") and not far.up("172.20.0.1")
        soon(lambda: n1.routes().get(PREFIX) == VIA_9)


@each_daemon
@pytest.mark.parametrize("whose", ["theirs", "ours"])
def test_a_port_of_their_own_choice(fabric: Fabric, tmp_path: Path, kind: str, whose: str) -> None:
    """Only the side that is named can be dialled, so the port of the one connection that there is proves it."""
    if whose == "theirs":
        fabric.put(switch=peer(peer_ip="172.20.0.9:1790"))
        part = tor(port=1790, link=Link(1, 64512, passive=True))
    else:
        fabric.remove(BGPConfiguration, "default")
        fabric.put(default=BGPConfiguration(listen_port=1179), switch=peer())
        part = tor(port=1790, link=Link(1, 64512, port=1179))
    n1 = started(fabric)
    with fabric.beside(9), daemon(tmp_path / kind, kind, part) as theirs:
        soon(lambda: n1.up("172.20.0.9") and theirs.up("172.20.0.1"))
        ((ours, other),) = connections(n1)
        assert (other == "172.20.0.9:1790") if whose == "theirs" else (ours == "172.20.0.1:1179")
        soon(lambda: PREFIX in n1.routes() and theirs.view(BLOCK))


@each_daemon
@pytest.mark.parametrize("source", ["None", "UseNodeIP"])
def test_the_kernel_chooses_the_source_address_or_the_node_has_it(
    fabric: Fabric, tmp_path: Path, kind: str, source: str
) -> None:
    """A route towards the peer prefers another address of ours; the node's own (UseNodeIP) is the control."""
    fabric.put(switch=peer(source_address=source))
    n1 = fabric.node("n1", 1)
    n1.namespace.run("ip", "address", "add", "172.20.0.101/24", "dev", "eth1")
    n1.namespace.run("ip", "route", "add", "172.20.0.9/32", "dev", "eth1", "src", "172.20.0.101")
    both = tuple(Link(number, 64512, passive=True) for number in (1, 101))
    with fabric.beside(9), daemon(tmp_path / kind, kind, tor(links=both)) as theirs:
        n1.start()  # now: whom it dials in vain it dials again later and later, and this peer only listens
        ours = "172.20.0.101" if source == "None" else "172.20.0.1"
        soon(lambda: n1.up("172.20.0.9") and theirs.up(ours))
        assert [end.rpartition(":")[0] for end, _ in connections(n1)] == [ours]
        view = soon(lambda: theirs.view(BLOCK))
        assert view is not None and view.next_hop == ours
        soon(lambda: n1.routes().get(PREFIX) == VIA_9)


@not_gobgp
def test_a_peer_that_asks_is_told_again_without_a_new_session(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    fabric.put(switch=peer())
    n1 = started(fabric)
    with fabric.beside(9), daemon(tmp_path / kind, kind, tor()) as theirs:
        soon(lambda: theirs.view(BLOCK))
        soon(lambda: '"end of rib sent"' in n1.log())
        before = soon(lambda: theirs.heard("172.20.0.1"))
        theirs.ask_again("172.20.0.1")
        soon(lambda: theirs.heard("172.20.0.1") > before)
        assert theirs.view(BLOCK)
        assert n1.log().count('"session up"') == 1 and not dropped(n1)


@each_daemon
def test_when_both_sides_dial_one_session_is_left_each_time(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    fabric.put(switch=peer())
    n1 = started(fabric)
    with fabric.beside(9), daemon(tmp_path / kind, kind, tor()) as theirs:
        for _ in range(3):
            soon(lambda: n1.up("172.20.0.9") and theirs.up("172.20.0.1"))
            soon(lambda: PREFIX in n1.routes() and theirs.view(BLOCK))
            soon(lambda: len(connections(n1)) == 1)
            seen = n1.log().count('"session up"')
            theirs.restart("172.20.0.1")
            soon(lambda seen=seen: n1.log().count('"session up"') > seen)  # type: ignore[misc]
        soon(lambda: n1.up("172.20.0.9") and theirs.up("172.20.0.1") and len(connections(n1)) == 1)


@each_daemon
def test_as_numbers_of_four_bytes_on_both_sides(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    fabric.remove(BGPConfiguration, "default")
    fabric.put(default=BGPConfiguration(as_number=Asn(4200000064)), switch=peer(as_number=Asn(4200000009)))
    n1 = started(fabric)
    part = tor(asn=4200000009, link=Link(1, 4200000064))
    with fabric.beside(9), daemon(tmp_path / kind, kind, part) as theirs:
        soon(lambda: n1.routes().get(PREFIX) == VIA_9)
        assert n1.paths(PREFIX)[0]["as_path"] == [4200000009]
        view = soon(lambda: theirs.view(BLOCK))
        assert view is not None and view.as_path == (4200000064,)
