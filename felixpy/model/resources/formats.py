"""The small languages inside text fields: communities, peer addresses, interface patterns, MACs. Pure.

Each check gives the reason why a text is none; empty when it is fine.
"""

import re

from felixpy.model.addresses import Address, family, parse_address
from felixpy.model.selectors import parse_selector

INTERFACE = re.compile(r"[a-zA-Z0-9_.*-]{1,15}")
PREFIXES = re.compile(r"[a-zA-Z0-9_.-]{1,15}(,[a-zA-Z0-9_.-]{1,15})*")
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
MAX_SELECTOR = 1024


def bad_community(text: str) -> str:
    """`aa:nn` with 16 bits each (RFC 1997) or `aa:nn:mm` with 32 bits each (RFC 8092)."""
    parts = text.split(":")
    limit = {2: 0xFFFF, 3: 0xFFFFFFFF}.get(len(parts), -1)
    if all(part.isascii() and part.isdecimal() and len(part) <= 10 and int(part) <= limit for part in parts):
        return ""
    return f"{text[:64]!r} is not a community: write aa:nn (0..65535 each) or aa:nn:mm (0..4294967295 each)"


def bad_selector(text: str, limit: int = MAX_SELECTOR, *, may_be_global: bool = True) -> str:
    """A selector of at most `limit` characters; some fields refuse `global()`."""
    if len(text) > limit:
        return f"has {len(text)} characters, at most {limit} are allowed"
    try:
        selector = parse_selector(text)
    except ValueError as error:
        return f"is not a selector: {error}"
    return "global() has no meaning here: use all()" if selector.uses_global and not may_be_global else ""


def bad_interface(text: str) -> str:
    """A pattern of interface names, with `*` for any characters."""
    if INTERFACE.fullmatch(text):
        return ""
    return f"{text[:64]!r} is not an interface pattern: 1 to 15 of letters, digits and _ . - *"


def parse_peer_ip(text: str) -> tuple[Address, int | None]:
    """Address and port of `10.0.0.1`, `10.0.0.1:1179`, `fd00::1` or `[fd00::1]:1179`; ValueError when it is none."""
    host, port = text.strip(), ""
    if host.startswith("["):
        host, closed, rest = host[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{text[:64]!r} is not [address]:port")
        port, given = rest[1:], rest != ""
    else:
        given = host.count(":") == 1
        if given:
            host, _, port = host.partition(":")
    if given and not (port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError(f"port {port[:16]!r} is not 1..65535")
    if text.startswith("[") and family(parse_address(host)) == 4:
        raise ValueError(f"{text[:64]!r}: only IPv6 addresses stand in brackets")
    if "%" in host:
        raise ValueError("has a zone: link-local peers are not supported")
    return parse_address(host), int(port) if given else None
