"""Many route messages at the kernel's own pace: one template, its destinations patched as columns.

A batch of 256 messages lies in one buffer, seen as 32-bit words. Their destinations are one or four strided
assignments, at the speed of C; their sequence numbers never change.
"""

import asyncio
import errno
import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from felixpy.kernel.netlink import BATCH, Failure, Netlink
from felixpy.kernel.route_message import DESTINATION_AT, Shape
from felixpy.model.routes import Route, RouteKey

WORTH_A_TEMPLATE = 32  # below, joining the messages costs as little as laying out the buffer

ShapeOf = Callable[[Route], Shape]  # KeyError: no such device. ValueError: the kernel cannot hold that


async def send_routes(
    netlink: Netlink, routes: Collection[Route], shape_of: ShapeOf
) -> Mapping[RouteKey, tuple[Route, Failure]]:
    """Send the message of each route, as few shapes as there are; what failed. The loop turns every 256 messages."""
    failed: dict[RouteKey, tuple[Route, Failure]] = {}
    few: list[tuple[Route, bytes]] = []
    for alike, numbers in _alike(routes):
        try:
            shape = shape_of(alike[0])
        except KeyError:
            failed.update((route.key, (route, Failure(errno.ENODEV))) for route in alike)
            continue
        except ValueError as error:
            failed.update((route.key, (route, Failure(errno.EINVAL, str(error)))) for route in alike)
            continue
        width = 4 * shape.width
        if len(alike) < WORTH_A_TEMPLATE:
            few += [(r, shape.message(n.to_bytes(width, "big"))) for r, n in zip(alike, numbers, strict=True)]
            continue
        for place, failure in (await patch(netlink, shape, _column(numbers, width))).items():
            failed[alike[place].key] = alike[place], failure
    for start in range(0, len(few), BATCH):
        part = few[start : start + BATCH]
        for place, failure in netlink.send([message for _, message in part]).items():
            failed[part[place][0].key] = part[place][0], failure
        await asyncio.sleep(0)
    return failed


def _alike(routes: Collection[Route]) -> Iterable[tuple[list[Route], list[int]]]:
    """The routes in groups that differ only in their destination, with these destinations as numbers.

    By identity of the hops, which is cheap and safe: equal hops in two tuples only make two groups. All that a route
    says is looked at here, once: with 100,000 of them, most of the time goes into fetching them from memory.
    """
    groups: dict[Any, tuple[list[Route], list[int]]] = {}
    last: Any = None
    for route in routes:
        key = route.key
        prefix = key.prefix
        shape = (id(route.hops), route.device, key.metric, key.table, prefix.prefixlen, type(prefix))
        if shape != last:  # neighbours are mostly alike: comparing is cheaper than looking up
            last, (members, numbers) = shape, groups.setdefault(shape, ([], []))
        members.append(route)
        numbers.append(int(prefix.network_address))
    return groups.values()


def _column(numbers: Sequence[int], width: int) -> memoryview:
    """Addresses of 4 or 16 bytes in network order, as 32-bit words."""
    if width == 4:
        words = array("I", numbers)
        if sys.byteorder == "little":
            words.byteswap()
        return memoryview(words)
    return memoryview(b"".join([number.to_bytes(width, "big") for number in numbers])).cast("I")


async def patch(netlink: Netlink, shape: Shape, column: memoryview) -> Mapping[int, Failure]:
    """Send `shape` once for each destination in `column` (32-bit words in network order); failures by place."""
    width = shape.width
    total = len(column) // width
    size = len(shape.message(bytes(4 * width)))
    raw = memoryview(bytearray(shape.message(bytes(4 * width)) * min(BATCH, total)))
    words, step, first = raw.cast("I"), size // 4, DESTINATION_AT // 4
    words[2::step] = memoryview(array("I", range(1, len(words) // step + 1)))
    failures: dict[int, Failure] = {}
    for start in range(0, total, BATCH):
        count = min(BATCH, total - start)
        for word in range(width):
            part = column[start * width + word : (start + count) * width : width]
            words[first + word : count * step : step] = part
        found = netlink.exchange(raw[: count * size], count, (count - 1) * size)
        if found:
            failures.update((start + place, failure) for place, failure in found.items())
        await asyncio.sleep(0)
    return failures
