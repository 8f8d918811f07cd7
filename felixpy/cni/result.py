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


def add_result(version: str, attached: Attached) -> dict[str, Any]:
    """The result of ADD: the host's end, the pod's end, and each address on the pod's end; no gateways, as Calico.

    Up to 0.4.0 an address says its family; `mtu` of an interface exists since 1.1.0.
    """
    pod: dict[str, Any] = {"name": attached.interface, "mac": attached.mac, "sandbox": attached.netns}
    if version == "1.1.0":
        pod["mtu"] = attached.mtu
    return {
        "cniVersion": version,
        "interfaces": [{"name": attached.host_interface}, pod],
        "ips": [_ip(version, address) for address in attached.addresses],
        "dns": {},
    }


def _ip(version: str, address: Address) -> dict[str, Any]:
    entry: dict[str, Any] = {"interface": 1, "address": str(host_prefix(address))}
    if version.startswith("0."):
        entry["version"] = str(family(address))
    return entry


def version_result(addressed_as: str) -> dict[str, Any]:
    """The answer to VERSION."""
    return {"cniVersion": addressed_as, "supportedVersions": list(VERSIONS)}


def addresses_of(result: dict[str, Any]) -> Sequence[str]:
    """The addresses in a printed result, without their lengths."""
    return [str(entry["address"]).partition("/")[0] for entry in result.get("ips", ())]
