"""What a successful call prints, in the shape of each CNI version. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from felixpy.cni.wire import VERSIONS
from felixpy.model.addresses import Address, family, host_prefix


@dataclass(frozen=True, slots=True)
class Attached:
    """A pod's interface as it is now."""

    host_interface: str
    interface: str
    mac: str
    mtu: int
    netns: str
    addresses: tuple[Address, ...]


def add_result(version: str, attached: Attached, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """The result of ADD: the host's end, the pod's end, and each address on the pod's end; no gateways, as Calico.

    Up to 0.4.0 an address says its family; `mtu` of an interface exists since 1.1.0. `before` is the result of the
    plugins that ran before this one: what they made stays in it, in front of ours.
    """
    pod: dict[str, Any] = {"name": attached.interface, "mac": attached.mac, "sandbox": attached.netns}
    if version == "1.1.0":
        pod["mtu"] = attached.mtu
    theirs = before or {}
    interfaces = [*(theirs.get("interfaces") or ()), {"name": attached.host_interface}, pod]
    ips = [_ip(version, address, len(interfaces) - 1) for address in attached.addresses]
    return {
        "dns": {},
        **theirs,
        "cniVersion": version,
        "interfaces": interfaces,
        "ips": [*(theirs.get("ips") or ()), *ips],
    }


def _ip(version: str, address: Address, interface: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"interface": interface, "address": str(host_prefix(address))}
    if version.startswith("0."):
        entry["version"] = str(family(address))
    return entry


def version_result(addressed_as: str) -> dict[str, Any]:
    """The answer to VERSION."""
    return {"cniVersion": addressed_as, "supportedVersions": list(VERSIONS)}


def addresses_of(result: dict[str, Any]) -> Sequence[str]:
    """The addresses in a printed result, without their lengths."""
    return [str(entry["address"]).partition("/")[0] for entry in result.get("ips", ())]
