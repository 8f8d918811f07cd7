"""Addresses, prefixes, AS numbers and durations: from the wire's values and back to them. Pure."""

import re
from ipaddress import ip_network
from typing import Any

from felixpy.model.addresses import LONGEST, Address, Asn, Prefix, parse_address, parse_asn, parse_prefix
from felixpy.model.resources.base import Duration

SCALARS: tuple[Any, ...] = (Address, Prefix, Asn, Duration)  # all of them are text on the wire, AS numbers may be int

PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> Duration:
    """Seconds from Go's text (`1m30s`, `500ms`); ValueError for a bare number, which has no unit."""
    if not isinstance(value, str):
        raise ValueError(f"a duration is text with a unit such as 90s, not {value!r}")
    if len(value) > LONGEST:
        raise ValueError(f"has {len(value)} characters, no duration has as many")
    text = value.strip()
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    parts = PART.findall(digits)
    if digits == "0":
        return Duration(0)
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        raise ValueError(f"{value!r} is not a duration: write it as 90s, 1m30s or 500ms")
    return Duration(sign * sum(float(number) * UNITS[unit] for number, unit in parts))


def show_duration(seconds: float) -> str:
    """Go's text for `seconds`, in seconds: `90s`, `0.5s`."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def decode_scalar(wanted: Any, value: object) -> Any:
    """msgspec's dec_hook. ValueError tells the reason and, where it can be guessed, the fix."""
    if wanted is Address:
        return parse_address(value)
    if wanted is Prefix:
        return _prefix(value)
    if wanted is Asn:
        if isinstance(value, float):
            raise ValueError(f"{value!r} is not an AS number: quote it, as '1.10', for YAML reads a fraction here")
        return parse_asn(value)
    if wanted is Duration:
        return parse_duration(value)
    raise NotImplementedError(f"no decoding of {wanted}")


def encode_scalar(value: Any) -> Any:
    """msgspec's enc_hook."""
    if isinstance(value, Asn):
        return int(value)
    if isinstance(value, Duration):
        return show_duration(value)
    return str(value)


def _prefix(value: object) -> Prefix:
    try:
        return parse_prefix(value)
    except ValueError as error:
        if "host bits" not in str(error):
            raise
        network = ip_network(str(value).strip(), strict=False)
        raise ValueError(f"{value} has host bits set: write {network}") from None
