"""What plugin and agent say to each other."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from felixpy.cni import wire
from felixpy.cni.wire import Garbled

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0="))
WRONG_SIZES = (b"-1 0", b"0 99999999", b"x y", b"1")


@given(st.dictionaries(TEXT.map("CNI_".__add__), TEXT), st.binary(max_size=200))
def test_environment_and_config_arrive_as_they_were(env: dict[str, str], config: bytes) -> None:
    assert wire.parse(wire.request({**env, "HOME": "/root"}, config)) == (env, config)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET / HTTP/1.1",
        b"felixpy-cni 2 0 0",
        b"felixpy-cni 1 -1 0",
        b"felixpy-cni 1 0 99999999",
        b"felixpy-cni 1 x y",
    ],
)
def test_what_is_not_our_greeting_is_refused(head: bytes) -> None:
    with pytest.raises(Garbled):
        wire.sizes(head)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(message: bytes) -> None:
    with suppress(Garbled):
        wire.parse(message)


def test_a_message_of_another_length_is_refused() -> None:
    with pytest.raises(Garbled, match="announces"):
        wire.parse(wire.request({"CNI_COMMAND": "DEL"}, b"{}") + b"more")


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("net/ipv6/conf/eth0/accept_dad", True),
        ("kernel/core_pattern", False),
        ("net/../kernel/core_pattern", False),
        ("/etc/passwd", False),
    ],
)
def test_a_plugin_writes_only_its_namespaces_own_settings(path: str, safe: bool) -> None:
    assert wire.safe_setting(path) is safe
