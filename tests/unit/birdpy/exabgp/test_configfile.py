"""A Speaker to exabgp.conf."""

from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from birdpy.exabgp.configfile import refusal, render
from birdpy.policy.session import Session, Speaker
from felixpy.model.addresses import Asn

GOLDEN = Path(__file__).parent / "golden.conf"
PLAIN = Session(
    name="Mesh_10_0_0_2",
    address=ip_address("10.0.0.2"),
    port=179,
    local_as=Asn(65001),
    peer_as=Asn(65001),
    source_address=ip_address("10.0.0.1"),
    families=frozenset({4}),
)


def speaker(*sessions: Session) -> Speaker:
    return Speaker("n1", ip_address("10.0.0.1"), Asn(65001), 179, (), sessions)


def test_the_file_is_the_golden_one() -> None:
    rendered = render(
        speaker(
            PLAIN,
            replace(
                PLAIN,
                name="Global_fd00__9",
                address=ip_address("fd00::9"),
                port=1790,
                peer_as=Asn(4200000000),
                source_address=None,
                families=frozenset({4, 6}),
                passive=True,
                ttl_security=1,
                password='a"; } process evil { run /bin/sh',
                graceful_restart_s=0,
                hold_time_s=9,
            ),
        )
    )
    assert rendered.text == GOLDEN.read_text()
    assert not rendered.refused


@pytest.mark.parametrize(
    "password", ['"; }', "line\nbreak", "abcdef0123456789", "ü" * 40, "x" * 80, "\\u0022", "'#{"]
)
def test_a_password_never_appears_as_written(password: str) -> None:
    text = render(speaker(replace(PLAIN, password=password))).text
    assert password not in text
    assert f'md5-password "{b64encode(password.encode()).decode()}";' in text
    assert "md5-base64 true;" in text
    assert text.count("process ") == 1


def test_no_secret_in_a_repr() -> None:
    assert "hunter2" not in repr(render(speaker(replace(PLAIN, password="hunter2"))))


def test_names_from_resources_do_not_enter() -> None:
    named = replace(PLAIN, name="x; } process evil {", filters=("y }",), cluster_node="z {")
    assert render(speaker(named)).text == render(speaker(PLAIN)).text


def test_the_text_does_not_depend_on_the_order_of_sessions() -> None:
    other = replace(PLAIN, name="Mesh_10_0_0_3", address=ip_address("10.0.0.3"))
    assert render(speaker(PLAIN, other)).text == render(speaker(other, PLAIN)).text


def test_a_session_held_down_is_left_out_with_its_reason() -> None:
    rendered = render(speaker(replace(PLAIN, held_down="secret bgp/key is missing")))
    assert rendered.refused == {"Mesh_10_0_0_2": "secret bgp/key is missing"}
    assert not rendered.sessions and "neighbor" not in rendered.text


def test_of_two_sessions_with_one_peer_the_first_name_wins() -> None:
    rendered = render(speaker(replace(PLAIN, name="Node_x"), PLAIN))
    assert set(rendered.refused) == {"Node_x"} and rendered.text.count("neighbor 10.0.0.2") == 1


@pytest.mark.parametrize(
    ("session", "word"),
    [
        (replace(PLAIN, password="x" * 81), "81 bytes"),
        (replace(PLAIN, password=""), "0 bytes"),
        (replace(PLAIN, source_address=ip_address("fd00::1")), "family"),
        (replace(PLAIN, source_address=PLAIN.address), "our own"),
        (replace(PLAIN, families=frozenset()), "no address family"),
        (replace(PLAIN, hold_time_s=2), "hold time"),
        (replace(PLAIN, hold_time_s=65536), "hold time"),
        (replace(PLAIN, port=0), "port"),
    ],
)
def test_what_exabgp_would_refuse_costs_only_its_own_session(session: Session, word: str) -> None:
    other = replace(PLAIN, name="Mesh_10_0_0_3", address=ip_address("10.0.0.3"))
    rendered = render(speaker(session, other))
    assert word in rendered.refused["Mesh_10_0_0_2"]
    assert set(rendered.sessions) == {other.address}


def test_a_plain_session_is_taken() -> None:
    assert refusal(PLAIN) is None
