"""The plugin as a runtime runs it, against the agent of a Node, and what is left in the kernel and the datastore."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from felixpy.datastore.files import FilesDatastore
from felixpy.ipam.collect import Problem, problems
from felixpy.ipam.reading import read_all
from felixpy.model.resources import IPAMBlock, IPAMHandle, Resource, WorkloadEndpoint
from felixpy.model.snapshot import Snapshot
from tests.namespaces import Namespace
from tests.netns.agent_process import Node, ip

CONFIG = {"cniVersion": "1.1.0", "name": "k8s-pod-network", "type": "felixpy"}


@dataclass(frozen=True)
class Answer:
    """What the plugin printed, and its exit code."""

    code: int
    text: str
    stderr: str = ""

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.text)) if self.text.strip() else {}

    @property
    def addresses(self) -> list[str]:
        return [entry["address"].partition("/")[0] for entry in self.json["ips"]]

    @property
    def device(self) -> str:
        return str(self.json["interfaces"][0]["name"])


@dataclass
class Runtime:
    """A container runtime on one node."""

    node: Node
    program: tuple[str, ...] = (sys.executable, "-m", "felixpy", "cni")
    config: dict[str, Any] = field(default_factory=lambda: dict(CONFIG))

    def start(self, command: str, pod: str, netns: str, container: str = "", **how: Any) -> "subprocess.Popen[bytes]":
        """The plugin, running, with its configuration written; `how`: `interface`, `args` (None: none), `stdin`."""
        names = f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod};" if pod else ""
        args = how.get("args", "")
        env = {
            **self.node.environment,
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container or f"{pod}0123456789",
            "CNI_NETNS": netns,
            "CNI_IFNAME": how.get("interface", "eth0"),
            **({} if args is None else {"CNI_ARGS": names + args}),
        }
        pipe = subprocess.PIPE
        plugin = subprocess.Popen(self.program, env=env, stdin=pipe, stdout=pipe, stderr=pipe)
        assert plugin.stdin is not None
        plugin.stdin.write(how.get("stdin", json.dumps(self.config).encode()))
        plugin.stdin.close()
        plugin.stdin = None
        return plugin

    def call(self, command: str, pod: str, netns: "Namespace | str" = "", container: str = "", **how: Any) -> Answer:
        """One call to its end."""
        path = netns if isinstance(netns, str) else path_of(netns)
        return self.ended(self.start(command, pod, path, container, **how))

    @staticmethod
    def ended(plugin: "subprocess.Popen[bytes]") -> Answer:
        output, errors = plugin.communicate(timeout=30)
        return Answer(plugin.returncode, output.decode(), errors.decode())

    def add(self, pod: str, netns: Namespace, container: str = "") -> Answer:
        """ADD that must succeed."""
        answer = self.call("ADD", pod, netns, container)
        assert answer.code == 0, (answer, self.node.log.read_text())
        return answer


def path_of(netns: Namespace) -> str:
    """How another process opens a namespace that is held here."""
    import os

    return f"/proc/{os.getpid()}/fd/{netns.fd}"


def apply(node: Node, *documents: dict[str, Any]) -> None:
    """Store objects as `felixpy apply` does."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
    command = [sys.executable, "-m", "felixpy", "apply", "-f", "-"]
    done = subprocess.run(
        command, check=False, env=node.environment, input=text, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec}


def books(node: Node) -> Snapshot:
    """Everything about addresses in the store."""
    return asyncio.run(read_all(FilesDatastore(node.store)))


def trouble(node: Node) -> list[Problem]:
    return problems(books(node), time.time())


def endpoints(node: Node) -> dict[str, Resource[WorkloadEndpoint]]:
    return dict(books(node).of(WorkloadEndpoint))


def in_use(node: Node) -> int:
    """Addresses that blocks or handles say are taken."""
    seen = books(node)
    blocks = sum(1 for b in seen.of(IPAMBlock).values() for index in b.spec.allocations if index is not None)
    return max(blocks, len(seen.of(IPAMHandle)))


def devices() -> list[str]:
    """The interfaces of pods in this namespace."""
    return sorted(link["ifname"] for link in json.loads(ip("-j", "link")) if link["ifname"].startswith("cali"))


def journal(node: Node) -> list[Path]:
    folder = node.folder / "state" / "cni" / "journal"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def pings(inside: Namespace, address: str) -> bool:
    """Whether an address answers from inside a namespace."""
    return ", 0% packet loss" in inside.run("ping", "-c1", "-W1", address, check=False)
