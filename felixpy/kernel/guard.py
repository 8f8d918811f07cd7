"""The IPv6 source check: a pod may only send from addresses that are routed to it.

IPv4 has rp_filter; IPv6 has nothing of the kind but one nftables rule. It stands in a table of our own, which is
written whole in one transaction and removed whole; nobody else's table is ever touched.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from felixpy.model.errors import Refused, Unreachable
from felixpy.model.routes import Device
from felixpy.reconcile.plan import Plan

TABLE = "felixpy_guard"
TIMEOUT_S = 10
FAMILY = "ip6"
MARK = "pods send from their own addresses"


@dataclass(frozen=True, slots=True)
class Guard:
    """What is checked: everything from devices that begin with `prefix`, but for `exempt`.

    A pod whose allowedSourcePrefixes let it send from elsewhere is exempt.
    """

    prefix: str = "cali"
    exempt: frozenset[Device] = frozenset()


KEY = f"nftables table {FAMILY} {TABLE}"


class KernelGuard:
    """The guard as a Table of one row, under `KEY`."""

    async def read(self) -> Mapping[str, Guard]:
        """The guard in force, or nothing."""
        found = await read()
        return {} if found is None else {KEY: found}

    async def apply(self, plan: Plan[str, Guard]) -> Mapping[str, Refused]:
        """Write or remove it."""
        try:
            for guard in plan.write.values():
                await write(guard)
            if plan.erase:
                await remove()
        except Refused as refused:
            return {KEY: refused}
        except ValueError as error:
            return {KEY: Refused(KEY, str(error))}
        return {}


async def read() -> Guard | None:
    """The guard that the kernel holds now; None when there is none or someone took it apart.

    Unreachable when nft is not installed or does not answer.
    """
    code, out, err = await _nft("-j", "list", "table", FAMILY, TABLE)
    if code:
        if "No such file or directory" in err or "does not exist" in err:
            return None
        raise Unreachable(f"nft: {err.strip()}")
    found: list[dict[str, Any]] = json.loads(out)["nftables"]
    chains = [item["chain"] for item in found if "chain" in item]
    rules = [item["rule"] for item in found if "rule" in item]
    elements = [item["set"].get("elem", []) for item in found if "set" in item]
    whole = [chain.get("hook") for chain in chains] == ["prerouting"] and len(rules) == 1 and len(elements) == 1
    if not whole or not rules[0].get("comment", "").startswith(MARK):
        return None
    prefix = rules[0]["comment"].removeprefix(MARK).strip(" ()*")
    return Guard(prefix, frozenset(map(Device, elements[0])))


async def write(guard: Guard) -> None:
    """Put the guard into force, in place of whatever our table held. Refused with nft's words."""
    code, _, err = await _nft("-f", "-", given=script(guard))
    if code:
        raise Refused(KEY, err.strip() or f"nft ended with {code}")


async def remove() -> None:
    """Take our table away; success when there is none."""
    await _nft("-f", "-", given=f"table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n")


def script(guard: Guard) -> str:
    """The transaction: our table, emptied and filled. Every name in it is checked, since nft parses text.

    A packet from `::` (duplicate address detection) is never forwarded and may pass. ValueError for a name that is
    no interface name.
    """
    for name in (guard.prefix, *guard.exempt):
        if not name or len(name) > 15 or not all(c.isascii() and (c.isalnum() or c in "_.-") for c in name):
            raise ValueError(f"{name!r} is no interface name that nftables takes")
    elements = ", ".join(f'"{name}"' for name in sorted(guard.exempt))
    members = f"elements = {{ {elements} }}" if elements else ""
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
        iifname "{guard.prefix}*" iifname != @exempt ip6 saddr != :: fib saddr . iif oif missing counter drop \
comment "{MARK} ({guard.prefix}*)"
    }}
}}
"""


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
