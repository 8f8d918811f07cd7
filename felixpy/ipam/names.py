"""How IPAM objects are called: Calico's own spellings, so that both can share a datastore. Pure."""

import hashlib
import re

from felixpy.model.addresses import Prefix

HOST = "host:"
MAX_NAME = 253  # DNS-1123 subdomain
OBJECT = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def encoded(cidr: Prefix) -> str:
    """A prefix as part of an object name: `10-65-0-0-26` (libcalico-go/lib/names/cidr.go)."""
    return str(cidr).translate(str.maketrans(".:/", "---"))


def block_name(cidr: Prefix) -> str:
    """The name of the IPAMBlock that holds `cidr`."""
    return encoded(cidr)


def affinity_name(node: str, cidr: Prefix) -> str:
    """The name of `node`'s BlockAffinity for `cidr`; cut and hashed when it would be too long for an object."""
    name = f"{node}-{encoded(cidr)}"
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def affinity_of(node: str) -> str:
    """What IPAMBlock.affinity says when `node` owns the block."""
    return HOST + node


def handle_id(network: str, container: str, interface: str = "eth0") -> str:
    """Whose addresses they are: `<network>.<containerID>`, as Calico has it for a pod's only interface.

    A further interface has a handle of its own, `…@<interface>`: taking one away must not free the other's address.
    """
    whose = f"{network}.{container}"
    return whose if interface == "eth0" else f"{whose}@{interface}"


def handle_name(handle: str) -> str:
    """The name of the IPAMHandle object."""
    return object_name(handle.lower())


def object_name(text: str) -> str:
    """`text` when it may name an object (DNS-1123), else what is left of it and a hash of the whole."""
    if len(text) <= MAX_NAME and OBJECT.fullmatch(text):
        return text
    left = re.sub(r"[^a-z0-9.-]+|\.(?=[.-])|(?<=-)\.", "-", text.lower()).strip(".-")
    return f"{left[:200]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}".lstrip("-")


def endpoint_name(*parts: str) -> str:
    """The name of a WorkloadEndpoint, `<node>-k8s-<pod>-<endpoint>`: dashes inside a part are doubled."""
    return object_name("-".join(part.replace("-", "--") for part in parts))


def interface_name(workload: str, prefix: str = "cali") -> str:
    """The host end of a pod's veth: prefix + 11 hex digits of SHA-1 over `<namespace>.<pod>`, 15 characters."""
    return prefix + hashlib.sha1(workload.encode(), usedforsecurity=False).hexdigest()[:11]
