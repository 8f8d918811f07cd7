"""Any line gives events or Undecodable; what we write, ExaBGP's grammar takes."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from birdpy.exabgp.decode import Undecodable, decode

SAMPLE = {
    "exabgp": "5.0.0",
    "type": "update",
    "neighbor": {
        "address": {"local": "10.0.0.1", "peer": "10.0.0.2"},
        "direction": "receive",
        "state": "up",
        "reason": "x",
        "open": {
            "asn": 1,
            "hold_time": 3,
            "router_id": "1.1.1.1",
            "capabilities": {"64": {"name": "graceful restart"}},
        },
        "message": {
            "eor": {"afi": "ipv4", "safi": "unicast"},
            "update": {
                "attribute": {"origin": "igp", "as-path": {"0": {"element": "as-sequence", "value": [1]}}},
                "announce": {"ipv4 unicast": {"10.0.0.9": [{"nlri": "10.0.0.0/8", "path-information": "0.0.0.1"}]}},
                "withdraw": {"ipv6 unicast": [{"nlri": "fd00::/8"}]},
            },
        },
        "route-refresh": {"afi": "ipv4", "safi": "unicast", "subtype": "query"},
        "notification": {"code": 1, "subcode": 2, "message": ""},
    },
}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner), max_leaves=4
)


def spoiled(document: object, path: list[int], value: object) -> object:
    """`document` with the part that `path` leads to replaced by `value`."""
    if not path or not isinstance(document, dict | list) or not document:
        return value
    if isinstance(document, list):
        return [spoiled(document[0], path[1:], value), *document[1:]]
    keys = list(document)
    chosen = keys[path[0] % len(keys)]
    return {**document, chosen: spoiled(document[chosen], path[1:], value)}


def survives(line: bytes) -> None:
    try:
        events = decode(line)
    except Undecodable:
        return
    assert isinstance(events, list)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_undecodable(line: bytes) -> None:
    survives(line)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["update", "state", "open", "notification", "refresh", "keepalive"]),
    st.lists(st.integers(0, 9), max_size=9),
    values,
)
def test_a_line_with_any_part_spoiled_gives_events_or_undecodable(kind: str, path: list[int], value: object) -> None:
    survives(json.dumps(spoiled({**SAMPLE, "type": kind}, path, value)).encode())
