"""Settings as the kernel tells them."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from felixpy.kernel.netconf import index_in, settings
from felixpy.model.routes import Device


def message(family: int, index: int, **values: int) -> bytes:
    """A netconfmsg with its attributes; a1=.. is attribute 1."""
    rows = {1: index, **{int(name[1:]): value for name, value in values.items()}}
    return bytes([family, 0, 0, 0]) + b"".join(struct.pack("=HHi", 8, kind, value) for kind, value in rows.items())


def told(body: bytes, device: str) -> dict[str, str]:
    return {sysctl.key.path: sysctl.value for sysctl in settings(body, Device(device))}


def test_an_interfaces_settings_by_their_files() -> None:
    body = message(2, 7, a2=1, a3=0, a4=1, a5=1, a6=0)
    assert index_in(body) == 7
    assert told(body, "cali1") == {
        "net/ipv4/conf/cali1/forwarding": "1",
        "net/ipv4/conf/cali1/rp_filter": "0",
        "net/ipv4/conf/cali1/proxy_arp": "1",
        "net/ipv4/conf/cali1/ignore_routes_with_linkdown": "0",
    }


def test_forwarding_of_all_is_ip_forward_in_ipv4_only() -> None:
    assert told(message(2, -1, a2=0), "all") == {"net/ipv4/conf/all/forwarding": "0", "net/ipv4/ip_forward": "0"}
    assert told(message(10, -1, a2=1), "all") == {"net/ipv6/conf/all/forwarding": "1"}
    assert index_in(message(10, -2)) == -2


@given(st.binary(max_size=64))
def test_any_bytes_give_settings_or_nothing(body: bytes) -> None:
    assert isinstance(index_in(body), int)
    assert all(sysctl.key.path.startswith("net/") for sysctl in settings(body, Device("x")))
