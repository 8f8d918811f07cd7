"""One CNI call: what the runtime asks, out of its environment and its network configuration. Pure.

CNI specification 1.1, sections 2 and 4. Configuration keys are Calico's where it has them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any

import msgspec

from felixpy.cni.errors import INCOMPATIBLE_VERSION, INVALID_CONFIG, INVALID_ENVIRONMENT, UNDECODABLE, CniError
from felixpy.cni.wire import VERSIONS
from felixpy.ipam.names import handle_id
from felixpy.model.addresses import Address, Family

OLDEST = "0.3.0"
DEFAULT_NETWORK = "k8s-pod-network"
CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]{0,199}")  # the specification's letters; 200 fit a file name
INTERFACE = re.compile(r"[^/:\s\0]{1,15}")
NETWORK = CONTAINER  # the specification has the same letters for both
MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")  # no group address
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}  # verbs that older versions do not have
NEEDS = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "GC": (),
    "STATUS": (),
    "VERSION": (),
}


class Ipam(msgspec.Struct, frozen=True):
    """`ipam` of the configuration. `assign_*` is text in Calico's files; absent means: if there is a pool for it."""

    type: str = ""
    assign_ipv4: bool | str | None = None
    assign_ipv6: bool | str | None = None
    ipv4_pools: tuple[str, ...] = ()
    ipv6_pools: tuple[str, ...] = ()


class RuntimeConfig(msgspec.Struct, frozen=True):
    """What the runtime fills in for the capabilities that the configuration declares."""

    ips: tuple[str, ...] = ()
    mac: str = ""


class ContainerSettings(msgspec.Struct, frozen=True):
    """`container_settings` of Calico's configuration."""

    allow_ip_forwarding: bool = False


class ValidAttachment(msgspec.Struct, frozen=True):
    """One attachment that GC must leave alone."""

    container_id: str = msgspec.field(name="containerID", default="")
    ifname: str = ""


class Config(msgspec.Struct, frozen=True):
    """The part of the network configuration that we use; other keys are other plugins'."""

    cni_version: str = msgspec.field(name="cniVersion", default=OLDEST)
    name: str = DEFAULT_NETWORK
    type: str = ""
    mtu: int = 0
    ipam: Ipam = Ipam()
    runtime_config: RuntimeConfig = msgspec.field(name="runtimeConfig", default=RuntimeConfig())
    container_settings: ContainerSettings = ContainerSettings()
    prev_result: dict[str, Any] | None = msgspec.field(name="prevResult", default=None)
    valid: tuple[ValidAttachment, ...] = msgspec.field(name="cni.dev/valid-attachments", default=())


@dataclass(frozen=True, slots=True)
class Call:
    """A valid call."""

    command: str
    config: Config
    container: str = ""
    interface: str = ""  # the name in the pod
    netns: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()  # asked for by CNI_ARGS IP= or runtimeConfig.ips
    mac: str = ""  # of the pod's end, asked for by CNI_ARGS MAC= or runtimeConfig.mac

    @property
    def handle(self) -> str:
        """Under which the addresses are held."""
        return handle_id(self.config.name, self.container, self.interface)

    @property
    def pod(self) -> str:
        """The pod's name; "" when no orchestrator says one."""
        return self.args.get("K8S_POD_NAME", "")

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return self.args.get("K8S_POD_NAMESPACE", "") or "default"

    def pools(self, family: Family) -> tuple[str, ...]:
        """The pools that the configuration names for a family."""
        return self.config.ipam.ipv4_pools if family == 4 else self.config.ipam.ipv6_pools

    def assigns(self, family: Family) -> bool | None:
        """Whether the configuration wants that family; None when it says nothing."""
        value = self.config.ipam.assign_ipv4 if family == 4 else self.config.ipam.assign_ipv6
        if value is None or isinstance(value, bool):
            return value
        if value.lower() not in ("true", "false"):
            raise CniError(INVALID_CONFIG, f"ipam.assign_ipv{family} is {value!r}", "write true or false")
        return value.lower() == "true"


def parse_call(env: Mapping[str, str], config: bytes) -> Call:
    """The call; CniError with the specification's code when something is missing or wrong."""
    command = env.get("CNI_COMMAND", "")
    if command not in NEEDS:
        raise CniError(INVALID_ENVIRONMENT, f"CNI_COMMAND is {command!r}", f"known: {', '.join(NEEDS)}")
    decoded = parse_config(config)
    if _number(decoded.cni_version) < _number(SINCE.get(command, OLDEST)):
        hint = f"it exists since {SINCE[command]}: raise cniVersion in the network configuration"
        raise CniError(INCOMPATIBLE_VERSION, f"cniVersion {decoded.cni_version} has no {command}", hint)
    missing = [name for name in NEEDS[command] if not env.get(name)]
    if missing:
        raise CniError(INVALID_ENVIRONMENT, f"{', '.join(missing)} not set", f"CNI {command} needs it")
    container, interface = env.get("CNI_CONTAINERID", ""), env.get("CNI_IFNAME", "")
    if container and not CONTAINER.fullmatch(container):
        hint = "letters, digits, '_', '.' and '-', at most 200, the first a letter or digit"
        raise CniError(INVALID_ENVIRONMENT, f"CNI_CONTAINERID {container[:64]!r} is not valid", hint)
    if interface and (not INTERFACE.fullmatch(interface) or interface in (".", "..", "lo")):
        raise CniError(
            INVALID_ENVIRONMENT, f"CNI_IFNAME {interface[:64]!r} is not valid", "an interface name, 1 to 15"
        )
    args = parse_args(env.get("CNI_ARGS", ""))
    netns, addresses = env.get("CNI_NETNS", ""), _addresses(decoded, args)
    return Call(command, decoded, container, interface, netns, args, addresses, _mac(decoded, args))


def parse_config(config: bytes) -> Config:
    """The network configuration; CniError when it is no JSON, malformed, or of a version that we do not speak."""
    try:
        document = msgspec.json.decode(config or b"{}")
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError too: a key that is no UTF-8
        raise CniError(UNDECODABLE, "the network configuration on stdin is no JSON", str(error)) from None
    try:
        decoded = msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        raise CniError(INVALID_CONFIG, "the network configuration is not valid", str(error)) from None
    if decoded.cni_version not in VERSIONS:
        hint = f"this plugin speaks {', '.join(VERSIONS)}"
        raise CniError(INCOMPATIBLE_VERSION, f"cniVersion {decoded.cni_version!r} is not supported", hint)
    if not NETWORK.fullmatch(decoded.name) or not 0 <= decoded.mtu <= 65535:
        hint = "name is made of letters, digits, '_', '.' and '-', the first a letter or digit; mtu is 0 to 65535"
        raise CniError(INVALID_CONFIG, "the network configuration is not valid", hint)
    return decoded


def version_of(config: bytes) -> str:
    """The cniVersion to answer an error in, whatever else is wrong with the configuration."""
    try:
        version: Any = msgspec.json.decode(config)["cniVersion"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return VERSIONS[-1]
    return version if version in VERSIONS else VERSIONS[-1]


def parse_args(text: str) -> dict[str, str]:
    """`K8S_POD_NAME=web;K8S_POD_NAMESPACE=default` as a mapping; pairs without `=` are left out."""
    pairs = (pair.partition("=") for pair in text.split(";") if "=" in pair)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _mac(config: Config, args: Mapping[str, str]) -> str:
    mac = (config.runtime_config.mac or args.get("MAC", "")).lower().replace("-", ":")
    if mac and not MAC.fullmatch(mac):
        raise CniError(INVALID_CONFIG, f"the wanted MAC {mac[:32]!r} is none", "six octets, the first one even")
    return mac


def _addresses(config: Config, args: Mapping[str, str]) -> tuple[Address, ...]:
    texts = (*config.runtime_config.ips, *(text for text in args.get("IP", "").split(",") if text))
    try:
        return tuple(dict.fromkeys(ip_interface(text.strip()).ip for text in texts))
    except ValueError as error:
        raise CniError(INVALID_CONFIG, "a wanted address is none", str(error)) from None
