"""How IPAM objects are called: Calico's own spellings, so that both can share a datastore. Pure."""

import hashlib

from felixpy.model.addresses import Prefix
from felixpy.model.names import MAX_NAME, object_name

HOST = "host:"


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
