"""How Calico names what belongs to a pod: its WorkloadEndpoint and the node's end of its veth. Pure."""

import hashlib
import re

MAX_NAME = 253  # DNS-1123 subdomain
OBJECT = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


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


def endpoint_parts(name: str) -> tuple[str, ...]:
    """What `endpoint_name` was given; other parts than these when the name had to be hashed."""
    return tuple(part.replace("\0", "-") for part in name.replace("--", "\0").split("-"))
