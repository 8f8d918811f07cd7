"""The CNI configuration, and what else a runtime's folder may hold."""

import json

import pytest

from felixpy.host.conflist import CAPABILITIES, FILE_NAME, Network, conflist, is_ours, others, types


def test_ours_is_called_first_and_the_chained_ones_get_their_capability() -> None:
    document = json.loads(conflist(Network("net", "0.4.0", ("portmap", "bandwidth"))))
    assert document == {
        "cniVersion": "0.4.0",
        "name": "net",
        "plugins": [
            {"type": "felixpy"},
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "bandwidth", "capabilities": {"bandwidth": True}},
        ],
    }
    assert set(CAPABILITIES) == {"portmap", "bandwidth"}


def test_ours_is_known_whatever_was_added_to_it() -> None:
    assert is_ours(conflist(Network()))
    assert is_ours(conflist(Network(chain=("portmap",))))
    assert not is_ours(b'{"name": "x", "plugins": [{"type": "calico"}]}')


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"[]", b'"x"', b'{"plugins": 3}', b'{"plugins": [3]}', b"\xff", b"[" * 9999]
)
def test_what_cannot_be_read_is_no_network(garbage: bytes) -> None:
    assert types(garbage) == [] or types(garbage) == [None]
    assert others({"10-x.conflist": garbage}) == []


def test_other_networks_are_named_with_their_plugin() -> None:
    folder = {
        FILE_NAME: conflist(Network()),
        "10-calico.conflist": b'{"name": "k8s-pod-network", "plugins": [{"type": "calico"}, {"type": "portmap"}]}',
        "00-old.conf": b'{"name": "old", "type": "bridge"}',
        "99-loopback.conf": b'{"name": "lo", "type": "loopback"}',
        "README": b'{"type": "flannel"}',
        ".05-felixpy.conflist.1.part": conflist(Network()),
    }
    assert others(folder) == ["00-old.conf (type bridge)", "10-calico.conflist (type calico)"]
