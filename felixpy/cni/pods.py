"""Pods made by hand: a named network namespace, and the very plugin that a container runtime would call. Edge.

The namespace is a bind mount below /run/netns (ip-netns(8)), so `ip netns exec` and `felixpy lab exec NODE/POD` find
it. The container id is kept beside the agent's sockets: a deletion needs it even when no endpoint was ever published.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from felixpy.lab import namespaces
from felixpy.model.errors import Trouble, Usage

NETNS = Path("/run/netns")
NETWORK = "k8s-pod-network"
SLOW_S = 1.5


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of this machine, by its name."""

    name: str
    namespace: str
    run_dir: Path

    @property
    def netns(self) -> Path:
        """Its network namespace: the pod's name alone in the namespace `default`."""
        return NETNS / (self.name if self.namespace == "default" else f"{self.namespace}.{self.name}")

    @property
    def record(self) -> Path:
        """Where its container id is kept."""
        return self.run_dir / "pods" / f"{self.namespace}.{self.name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the network configuration says beside its name."""

    addresses: Sequence[str] = ()
    ipv4_pools: Sequence[str] = ()
    ipv6_pools: Sequence[str] = ()
    mtu: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    def config(self) -> bytes:
        """The network configuration, as a conflist would hold it."""
        ipam = {"type": "felixpy", "ipv4_pools": list(self.ipv4_pools), "ipv6_pools": list(self.ipv6_pools)}
        document = {"cniVersion": "1.1.0", "name": NETWORK, "type": "felixpy", "mtu": self.mtu, "ipam": ipam}
        return json.dumps({**document, "runtimeConfig": {"ips": list(self.addresses)}, **self.more}).encode()


def add(pod: Pod, wanted: Wanted, say: Callable[[str], None]) -> dict[str, Any]:
    """Make the pod; the plugin's result. Trouble, and nothing left behind, when that fails."""
    if pod.netns.exists():
        raise Usage(
            f"pod {pod.namespace}/{pod.name} exists here already ({pod.netns}); felixpy pod delete removes it"
        )
    container = os.urandom(32).hex()
    _note(pod, container)
    try:
        _make_namespace(pod.netns)
        return _call(pod, "ADD", container, wanted.config(), say)
    except BaseException:
        remove_namespace(pod.netns)
        pod.record.unlink(missing_ok=True)
        raise


def delete(pod: Pod, container: str, say: Callable[[str], None]) -> None:
    """Remove the pod: CNI DEL, then its namespace."""
    _call(pod, "DEL", container, Wanted().config(), say)
    remove_namespace(pod.netns)
    pod.record.unlink(missing_ok=True)


def container_of(pod: Pod) -> str:
    """The container id of a pod made here; "" when there is no note of it."""
    try:
        return pod.record.read_text().strip()
    except OSError:
        return ""


def _note(pod: Pod, container: str) -> None:
    try:
        pod.record.parent.mkdir(parents=True, exist_ok=True)
        pod.record.write_text(container)
    except OSError as error:
        raise Trouble(f"{pod.record}: {error.strerror}") from error


def _call(pod: Pod, command: str, container: str, config: bytes, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the plugin as a runtime does: a program with CNI_* in its environment and the configuration on stdin."""
    env = {
        **os.environ,
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container,
        "CNI_NETNS": str(pod.netns),
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(Path(sys.executable).parent),
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE={pod.namespace};K8S_POD_NAME={pod.name}",
        "FELIXPY_RUN_DIR": str(pod.run_dir),
    }
    plugin = subprocess.Popen(
        [sys.executable, "-m", "felixpy", "cni"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        output, _ = plugin.communicate(config, timeout=SLOW_S)
    except subprocess.TimeoutExpired:
        say(f"waiting for the felixpy agent behind {pod.run_dir / 'cni.sock'}")
        output, _ = plugin.communicate()
    return _understood(plugin.returncode, output, command)


def _understood(code: int, output: bytes, command: str) -> dict[str, Any]:
    try:
        answer = json.loads(output) if output.strip() else {}
    except ValueError:
        answer = {}
    if code:
        reason = ": ".join(str(answer[key]) for key in ("msg", "details") if answer.get(key))
        raise Trouble(f"CNI {command} failed: {reason or f'exit code {code} and no reason'}")
    return dict(answer)


def _make_namespace(path: Path) -> None:
    faults: list[OSError] = []

    def make() -> None:
        try:
            namespaces.unshare(namespaces.CLONE_NEWNET)
            namespaces.mount("/proc/thread-self/ns/net", str(path), flags=namespaces.MS_BIND)
        except OSError as error:
            faults.append(error)

    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.touch(mode=0o444, exist_ok=False)
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}; a pod needs root, or a lab node") from error
    worker = threading.Thread(target=make)  # the thread's namespace ends with it, the mount keeps it
    worker.start()
    worker.join()
    if faults:
        path.unlink(missing_ok=True)
        raise Trouble(f"no network namespace can be made: {faults[0].strerror}; it needs root") from faults[0]


def remove_namespace(path: Path) -> None:
    """Remove a name; the namespace goes when no process is in it any more."""
    with suppress(OSError):
        namespaces.unmount(str(path))
    with suppress(OSError):
        path.unlink(missing_ok=True)
