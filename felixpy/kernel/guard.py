"""The IPv6 source check: a pod may only send from addresses that are routed to it.

IPv4 has rp_filter; IPv6 has nothing of the kind but one nftables rule. It stands in a table of our own, which is
written whole in one transaction and removed whole; nobody else's table is ever touched.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from felixpy.model.errors import Refused, Unreachable
from felixpy.model.routes import Device

TABLE, FAMILY = "felixpy_guard", "ip6"
TIMEOUT_S = 10
MARK = "pods send from their own addresses: "  # the rule's comment, with the prefix behind it


@dataclass(frozen=True, slots=True)
class Guard:
    """What is checked: everything from devices whose names begin with one of `prefixes`, but for `exempt`."""

    prefixes: tuple[str, ...] = ("cali",)
    exempt: frozenset[Device] = frozenset()  # their pods may send from elsewhere (allowedSourcePrefixes)


async def read() -> Guard | None:
    """The guard that the kernel holds now; None when there is none or someone took it apart.

    Unreachable when nft is not installed or does not answer.
    """
    out = await _listed()
    if out is None:
        return None
    found: list[dict[str, Any]] = json.loads(out)["nftables"]
    chains = [item["chain"] for item in found if "chain" in item]
    rules = [item["rule"] for item in found if "rule" in item]
    elements = [item["set"].get("elem", []) for item in found if "set" in item]
    prefixes = tuple(rule.get("comment", "").removeprefix(MARK) for rule in rules)
    hooks = [chain.get("hook") for chain in chains]
    if hooks != ["prerouting"] or len(elements) != 1 or not all(r.get("comment", "").startswith(MARK) for r in rules):
        return None
    return Guard(prefixes, frozenset(map(Device, elements[0]))) if prefixes else None


async def stands() -> bool:
    """Whether our table is there, whole or not. Unreachable when nft is not installed or does not answer."""
    return await _listed() is not None


async def write(guard: Guard) -> None:
    """Put the guard into force, in place of whatever our table held. Refused with nft's words."""
    code, _, err = await _nft("-f", "-", given=script(guard))
    if code:
        raise Refused(f"nftables table {FAMILY} {TABLE}", err.strip() or f"nft ended with {code}")


async def remove() -> None:
    """Take our table away; success when there is none."""
    await _nft("-f", "-", given=f"table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n")


def script(guard: Guard) -> str:
    """The transaction: our table, emptied and filled. Every name in it is checked, since nft parses text.

    A packet from `::` (duplicate address detection) is never forwarded and may pass. ValueError for a name that is
    no interface name.
    """
    for name in (*guard.prefixes, *guard.exempt):
        if not name or len(name) > 15 or not all(c.isascii() and (c.isalnum() or c in "_.-") for c in name):
            raise ValueError(f"{name!r} is no interface name that nftables takes")
    elements = ", ".join(f'"{name}"' for name in sorted(guard.exempt))
    members = f"elements = {{ {elements} }}" if elements else ""
    check = "iifname != @exempt ip6 saddr != :: fib saddr . iif oif missing counter drop"
    rules = "\n        ".join(f'iifname "{name}*" {check} comment "{MARK}{name}"' for name in guard.prefixes)
    return f"""\
table {FAMILY} {TABLE}
delete table {FAMILY} {TABLE}
table {FAMILY} {TABLE} {{
    set exempt {{
        type ifname
        {members}
    }}
    chain source {{
        type filter hook prerouting priority raw; policy accept;
        {rules}
    }}
}}
"""


async def _listed() -> str | None:
    code, out, err = await _nft("-j", "list", "table", FAMILY, TABLE)
    if not code:
        return out
    if "No such file or directory" in err or "does not exist" in err:
        return None
    raise Unreachable(f"nft: {err.strip()}")


async def _nft(*arguments: str, given: str = "") -> tuple[int, str, str]:
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec("nft", *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    except FileNotFoundError:
        raise Unreachable("nft is not installed (package nftables): IPv6 sources of pods are not checked") from None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            out, err = await child.communicate(given.encode())
    except TimeoutError:
        child.kill()
        await child.wait()
        raise Unreachable(f"nft did not answer within {TIMEOUT_S} s") from None
    return child.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")
