"""Community values: from text, onto attributes, and the well-known ones. Pure."""

from msgspec.structs import replace

from birdpy.rib.path import Attributes, LargeCommunity

Community = tuple[int, int]

GRACEFUL_SHUTDOWN: Community = (65535, 0)  # RFC 8326
NO_EXPORT: Community = (65535, 65281)  # RFC 1997: not outside the AS
NO_ADVERTISE: Community = (65535, 65282)  # RFC 1997: to nobody
NO_EXPORT_SUBCONFED: Community = (65535, 65283)  # RFC 1997: to no external peer, confederations included
BLACKHOLE: Community = (65535, 666)  # RFC 7999


def parse_community(text: str) -> Community | LargeCommunity:
    """`aa:nn` (16 bits each) or, large (RFC 8092), `aa:nn:mm` (32 bits each); ValueError for anything else."""
    parts = text.strip().split(":")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(f"{text!r} is not a community: write aa:nn, or aa:nn:mm for a large one")
    numbers = [int(part) for part in parts]
    limit = 0xFFFF if len(numbers) == 2 else 0xFFFFFFFF
    if max(numbers) > limit:
        raise ValueError(f"{text!r} is not a community: each part is at most {limit}")
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (numbers[0], numbers[1], numbers[2])


def carries(attributes: Attributes, value: Community | LargeCommunity) -> bool:
    """Whether `value` is among the communities of its size."""
    return value in (attributes.communities if len(value) == 2 else attributes.large_communities)


def with_community(attributes: Attributes, value: Community | LargeCommunity) -> Attributes:
    """`attributes` and `value`; the same object when it is there already."""
    if carries(attributes, value):
        return attributes
    if len(value) == 2:
        return replace(attributes, communities=attributes.communities | {value})
    return replace(attributes, large_communities=attributes.large_communities | {value})


def text_of(value: Community | LargeCommunity) -> str:
    """`65000:10`."""
    return ":".join(str(part) for part in value)


__all__ = ["carries", "parse_community", "text_of", "with_community"]
