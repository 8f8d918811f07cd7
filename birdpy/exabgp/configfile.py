"""A Speaker to the text of exabgp.conf. Pure.

No text from a resource or a peer enters: names are ours, addresses and numbers are printed from parsed values, and a
password is always base64 with `md5-base64 true` (a quote in a plain one can add a process block that passes
ExaBGP's validation, and a plain one of hexadecimal digits only would be taken for base64).

A reload that fails would leave all sessions as they are, so whatever ExaBGP would refuse is found here first and
costs only its own session: see `refusal`.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from birdpy.policy.session import Session, Speaker
from felixpy.model.addresses import Address, family

MD5_KEY_BYTES = 80  # TCP_MD5SIG_MAXKEYLEN in include/uapi/linux/tcp.h
RESTART_TIME_MAX_S = 4095  # 12 bits, RFC 4724 §3

ADD_PATH = {(False, False): "disable", (True, False): "receive", (False, True): "send", (True, True): "send/receive"}

_NEIGHBOR = """\
neighbor {address} {{
    router-id {router_id};
    local-address {source};
    local-as {local_as};
    peer-as {peer_as};
    hold-time {hold_time};
    connect {port};
    passive {passive};
    adj-rib-in false;
    adj-rib-out true;
    group-updates true;
    manual-eor true;
{optional}    family {{
{families}    }}
{next_hops}    capability {{
        asn4 enable;
        route-refresh enable;
        graceful-restart {restart};
        add-path {add_path};
        extended-message disable;
{capabilities}    }}
    api {{
        processes [ birdpy ];
        neighbor-changes;
        receive {{
            parsed;
            open;
            update;
            notification;
            refresh;
        }}
    }}
}}
"""

_IPV4_BY_IPV6 = """\
    nexthop {
        ipv4 unicast ipv6;
    }
"""

# The program is never run: the launcher joins ExaBGP to a bridge that it made before it gave up its rights.
_PROCESS = """\
process birdpy {
    run /bin/true;
    encoder json;
    respawn false;
}
"""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The file, the sessions that are in it by peer address, and those left out by name with the reason."""

    text: str
    sessions: Mapping[Address, Session]
    refused: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Rendered({len(self.sessions)} sessions)"  # the text holds passwords


def render(speaker: Speaker) -> Rendered:
    """The configuration of `speaker`, sessions in the order of their names; those held down are left out."""
    sessions: dict[Address, Session] = {}
    refused: dict[str, str] = {}
    for session in sorted(speaker.sessions, key=lambda s: s.name):
        reason = session.held_down or refusal(session)
        if reason is None and session.address in sessions:
            reason = f"session {sessions[session.address].name} has the same peer address {session.address}"
        if reason is None:
            sessions[session.address] = session
        else:
            refused[session.name] = reason
    text = _PROCESS + "".join(_neighbor(session, speaker) for session in sessions.values())
    return Rendered(text, sessions, refused)


def refusal(session: Session) -> str | None:
    """Why ExaBGP or the kernel would not take `session`; None when they would."""
    if session.password is not None and not 0 < len(session.password.encode()) <= MD5_KEY_BYTES:
        return f"the password has {len(session.password.encode())} bytes; TCP MD5 takes 1 to {MD5_KEY_BYTES}"
    if session.source_address is not None and family(session.source_address) != family(session.address):
        return f"source address {session.source_address} is not of the family of the peer's {session.address}"
    if session.address == session.source_address:
        return f"the peer's address {session.address} is our own"
    if not session.families:
        return "the session carries no address family"
    if session.hold_time_s in (1, 2) or not 0 <= session.hold_time_s <= 65535:
        return f"a hold time of {session.hold_time_s} s is not allowed: 0, or 3 to 65535 (RFC 4271 §4.2)"
    if not 1 <= session.port <= 65535:
        return f"port {session.port} is outside 1..65535"
    return None


def _neighbor(session: Session, speaker: Speaker) -> str:
    families = "".join(f"        ipv{number} unicast;\n" for number in sorted(session.families))
    restart = min(session.graceful_restart_s, RESTART_TIME_MAX_S)
    return _NEIGHBOR.format(
        address=session.address,
        router_id=speaker.router_id,
        source=session.source_address or session.answers_at or "auto",
        local_as=int(session.local_as),
        peer_as=int(session.peer_as),
        hold_time=session.hold_time_s,
        port=session.port,
        passive="true" if session.passive else "false",
        optional="".join(f"    {line};\n" for line in _optional(session)),
        families=families,
        restart=restart or "disable",  # a zero would mean: as long as the hold time
        add_path=ADD_PATH[session.add_path_receive, session.add_path_send > 0],
        next_hops=_IPV4_BY_IPV6 if session.extended_next_hop else "",
        capabilities="        nexthop enable;\n" if session.extended_next_hop else "",
    )


def _optional(session: Session) -> Iterator[str]:
    if session.password is not None:
        yield f'md5-password "{b64encode(session.password.encode()).decode()}"'
        yield "md5-base64 true"
    if session.ttl_security is not None:  # RFC 5082: send 255, accept what came over so many hops at most
        yield "outgoing-ttl 255"
        yield f"incoming-ttl {256 - session.ttl_security}"
