"""No bytes bring a parser down that reads what others wrote: a value, or its own error with a reason."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.parsers import PARSERS

TOPOLOGY = """name: x
topology:
  nodes:
    a: {kind: linux, image: "felixpy:latest", exec: ["ip link"], binds: ["x:/y:ro"], env: {A: b}}
    b: {kind: linux, image: quay.io/frrouting/frr, startup-config: frr.conf, sysctls: {net.ipv4.ip_forward: 1}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], mtu: 1500, ipv4: [10.0.0.0/31, 10.0.0.1/31]}
"""
POOL = """apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods, labels: {a: b}}
spec: {cidr: 10.65.0.0/16, blockSize: 26, ipipMode: Never}
"""
BLOCK = {
    "apiVersion": "projectcalico.org/v3", "kind": "BlockAffinity", "metadata": {"name": "n1", "labels": {"a": "b"}},
    "spec": {"state": "confirmed", "node": "n1", "cidr": "10.65.0.0/26", "deleted": False},
}  # fmt: skip
CONFIG = {
    "cniVersion": "1.0.0", "name": "net", "type": "felixpy", "mtu": 1500, "ipam": {"ipv4_pools": ["a"]},
    "runtimeConfig": {"ips": ["10.65.0.9"], "mac": "02:00:00:00:00:01"}, "prevResult": {"ips": []},
}  # fmt: skip
LINE = {
    "exabgp": "5.0.0", "type": "update", "neighbor": {
        "address": {"local": "10.0.0.1", "peer": "10.0.0.2"}, "direction": "receive", "message": {"update": {
            "attribute": {"origin": "igp", "as-path": {"0": {"element": "as-sequence", "value": [1]}}},
            "announce": {"ipv4 unicast": {"10.0.0.9": [{"nlri": "10.0.0.0/8"}]}},
        }},
    },
}  # fmt: skip


def netlink(kind: int, head: bytes, *attributes: tuple[int, bytes]) -> bytes:
    """One message of a dump."""
    body = head + b"".join(
        struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4) for number, value in attributes
    )
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 7) + body


ROUTE = netlink(24, struct.pack("=BBBBBBBBI", 2, 24, 0, 0, 254, 12, 0, 1, 0), (1, b"\n\0\0\0"), (4, b"\2\0\0\0"))
LINK = netlink(16, struct.pack("=BxHiII", 0, 1, 2, 1, 0), (3, b"eth0\0"), (1, bytes(6)), (4, b"\xdc\5\0\0"))
SAMPLES = {
    "exabgp": json.dumps(LINE).encode(), "cni": json.dumps(CONFIG).encode(), "yaml": POOL.encode(),
    "json": json.dumps(BLOCK).encode(), "topology": TOPOLOGY.encode(), "routes": ROUTE * 3, "links": LINK * 2,
}  # fmt: skip
ODD = [b"[", b"{", b"}", b"&a ", b"*a", b"!!", b"0x", b"-1", b"null", b"1e999", b"\xff", b'"']
PUT = st.one_of(st.binary(max_size=3), st.sampled_from(ODD))
CHANGES = st.lists(st.tuples(st.integers(0, 2000), PUT), min_size=1, max_size=4)


def changed(sample: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """A sample with a few places overwritten, lengthened or cut out."""
    for at, put in changes:
        place = at % len(sample)
        sample = sample[:place] + put + sample[place + (len(put) if at % 2 else 1) :]
        if not sample:
            break
    return sample


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=120))
def test_any_bytes_are_a_value_or_the_parsers_own_error(name: str, data: bytes) -> None:
    PARSERS[name](data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=100, deadline=None)
@given(changes=CHANGES)
def test_a_good_text_with_a_few_bytes_wrong_is_one_too(name: str, changes: list[tuple[int, bytes]]) -> None:
    PARSERS[name](changed(SAMPLES[name], changes))


@pytest.mark.parametrize("name", PARSERS)
def test_the_samples_are_good(name: str) -> None:
    """The negative control of the changes: what they begin with is not refused at its first byte."""
    PARSERS[name](SAMPLES[name])
    assert SAMPLES[name]
