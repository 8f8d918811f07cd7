"""Many route messages at the kernel's own pace: one template, its destinations patched as columns.

A batch of 256 messages lies in one buffer, seen as 32-bit words. Their destinations are one or four strided
assignments, at the speed of C; their sequence numbers never change.
"""

import asyncio
import errno
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    for alike in _alike(routes):
        try:
            shape = shape_of(alike[0])
        except KeyError:
            failed.update((route.key, (route, Failure(errno.ENODEV))) for route in alike)
            continue
        except ValueError as error:
            failed.update((route.key, (route, Failure(errno.EINVAL, str(error)))) for route in alike)
            continue
        destinations = [route.key.prefix.network_address.packed for route in alike]
        if len(alike) < WORTH_A_TEMPLATE:
            few += [(route, shape.message(to)) for route, to in zip(alike, destinations, strict=True)]
            continue
        for place, failure in (await patch(netlink, shape, destinations)).items():
            failed[alike[place].key] = alike[place], failure
    for start in range(0, len(few), BATCH):
        part = few[start : start + BATCH]
        for place, failure in netlink.send([message for _, message in part]).items():
            failed[part[place][0].key] = part[place][0], failure
        await asyncio.sleep(0)
    return failed


def _alike(routes: Collection[Route]) -> Iterator[list[Route]]:
    """The routes in groups that differ only in their destination.

    By identity of the hops, which is cheap and safe: equal hops in two tuples only make two groups.
    """
    groups: dict[Any, list[Route]] = {}
    last: Any = None
    for route in routes:
        key = route.key
        prefix = key.prefix
        shape = (id(route.hops), route.device, key.metric, key.table, prefix.prefixlen, type(prefix))
        if shape != last:  # neighbours are mostly alike: comparing is cheaper than looking up
            last, group = shape, groups.setdefault(shape, [])
        group.append(route)
    return iter(groups.values())


async def patch(netlink: Netlink, shape: Shape, destinations: Sequence[bytes]) -> Mapping[int, Failure]:
    """Send `shape` once for each destination (all of 4 or all of 16 bytes); failures by place in `destinations`."""
    size = len(shape.message(destinations[0]))
    width = len(destinations[0]) // 4
    column = memoryview(b"".join(destinations)).cast("I")
    raw = memoryview(bytearray(shape.message(bytes(4 * width)) * min(BATCH, len(destinations))))
    words, step, first = raw.cast("I"), size // 4, DESTINATION_AT // 4
    words[2::step] = memoryview(array("I", range(1, len(words) // step + 1)))
    failures: dict[int, Failure] = {}
    for start in range(0, len(destinations), BATCH):
        count = min(BATCH, len(destinations) - start)
        for word in range(width):
            part = column[start * width + word : (start + count) * width : width]
            words[first + word : count * step : step] = part
        found = netlink.exchange(raw[: count * size], count, (count - 1) * size)
        if found:
            failures.update((start + place, failure) for place, failure in found.items())
        await asyncio.sleep(0)
    return failures
