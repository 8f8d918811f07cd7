"""etcd, kube-apiserver and, when asked for, controller-manager and scheduler.

    control = Control(Here(folder), Shape(port=free_port()))
    control.start()                       # etcd and the API server: 4 s, no root needed
    control.kubectl("get", "nodes")
    control.stop()

Clients take `control.folder / "pki" / "admin.conf"`; `TOKENS` are bearer tokens with other rights.
"""

import json
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import binaries
from tests.cluster.pki import Authority
from tests.cluster.places import Place, Running, until

TOKENS = {"admin-token": ("admin", "system:masters"), "nobody-token": ("nobody", "nobodies")}
AUDIT = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:felixpy"]
- level: None
"""
GATES = "EndpointSliceTerminatingCondition=true,EndpointSliceNodeName=true,BoundServiceAccountTokenVolume=true"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a control plane is to be."""

    address: str = "127.0.0.1"
    port: int = 6443
    etcd_port: int = 2379
    pods: tuple[str, ...] = ("10.65.0.0/16",)
    services: tuple[str, ...] = ("10.96.0.0/16",)
    controllers: bool = False  # controller-manager and scheduler too
    discovery_v1: bool = False  # EndpointSlices of 1.21 besides those of 1.20
    extra: tuple[str, ...] = ()  # further flags of the API server

    @property
    def server(self) -> str:
        """Its URL."""
        return f"https://{self.address}:{self.port}"

    @property
    def gates(self) -> str:
        """Feature gates, the same for every part."""
        return GATES + (",IPv6DualStack=true" if len(self.pods) > 1 else "")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at this moment."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@dataclass(slots=True)
class Control:
    """A control plane; everything of it is in `place.folder`."""

    place: Place
    shape: Shape
    running: dict[str, Running] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Its folder: pki, etcd's data, logs, audit.log."""
        return self.place.folder

    @property
    def authority(self) -> Authority:
        """Who signed its certificates."""
        return Authority(self.folder / "pki")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "pki" / "admin.conf"

    def start(self) -> None:
        """Start everything; returns when it answers and pods can be created."""
        if not self.authority.folder.exists():
            self._sign()
        self.start_etcd()
        self.start_api()
        if self.shape.controllers:
            self.start_controllers()
            until(self._has_account, "service account default", 60)

    def stop(self) -> None:
        """End everything, the last started first."""
        for name in reversed(list(self.running)):
            self.running.pop(name).end()

    def kubectl(self, *arguments: str, given: str | None = None, timeout: float = 60.0) -> str:
        """What kubectl prints as administrator; AssertionError when it fails."""
        line = [binaries.program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return self.place.run(line, given=given, timeout=timeout)

    def get(self, *arguments: str) -> Any:
        """An object or a list of them, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def answers(self) -> bool:
        """Whether the API server is ready."""
        try:
            return self.kubectl("get", "--raw", "/readyz", "--request-timeout=2s").strip() == "ok"
        except (AssertionError, subprocess.TimeoutExpired):
            return False

    def start_etcd(self) -> None:
        """etcd, on loopback."""
        url, peers = f"http://127.0.0.1:{self.shape.etcd_port}", "http://127.0.0.1:2380"  # there are no peers
        self._start("etcd", [
            f"--data-dir={self.folder}/etcd", f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
            "--listen-peer-urls=http://127.0.0.1:0", f"--initial-advertise-peer-urls={peers}", "--name=one",
            f"--initial-cluster=one={peers}", "--unsafe-no-fsync",
        ])  # fmt: skip

    def start_api(self) -> None:
        """The API server; returns when it is ready."""
        pki, shape = self.folder / "pki", self.shape
        self._start("kube-apiserver", [
            f"--etcd-servers=http://127.0.0.1:{shape.etcd_port}", f"--bind-address={shape.address}",
            f"--advertise-address={shape.address}", f"--secure-port={shape.port}", f"--cert-dir={self.folder}/run",
            f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt", f"--token-auth-file={pki}/tokens.csv",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={pki}/sa.key", f"--service-account-key-file={pki}/sa.pub",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
            f"--service-cluster-ip-range={','.join(shape.services)}", f"--feature-gates={shape.gates}",
            f"--kubelet-client-certificate={pki}/apiserver.crt", f"--kubelet-client-key={pki}/apiserver.key",
            "--kubelet-preferred-address-types=InternalIP", f"--audit-policy-file={pki}/audit.yaml",
            f"--audit-log-path={self.folder}/audit.log",
            f"--runtime-config=discovery.k8s.io/v1={'true' if shape.discovery_v1 else 'false'}", *shape.extra,
        ])  # fmt: skip
        running = self.running["kube-apiserver"]
        until(lambda: not running.alive or self.answers(), "the API server is ready", 90)
        assert running.alive, running.tail()

    def start_controllers(self) -> None:
        """The controller-manager and the scheduler."""
        pki, shape = self.folder / "pki", self.shape
        common = ["--leader-elect=false", "--bind-address=127.0.0.1", "--port=0", f"--cert-dir={self.folder}/run",
                  f"--feature-gates={shape.gates}"]  # fmt: skip
        for name, more in (
            ("controller-manager", [
                f"--root-ca-file={pki}/ca.crt", f"--service-account-private-key-file={pki}/sa.key",
                "--use-service-account-credentials=true", "--controllers=*,-nodeipam,-cloud-node-lifecycle",
                f"--cluster-cidr={','.join(shape.pods)}", f"--service-cluster-ip-range={','.join(shape.services)}",
                "--node-monitor-grace-period=20s", "--pod-eviction-timeout=30s",
            ]),
            ("scheduler", []),
        ):  # fmt: skip
            conf = pki / f"{name}.conf"
            own = [f"--{part}kubeconfig={conf}" for part in ("", "authentication-", "authorization-")]
            self._start(f"kube-{name}", [*own, *common, *more])

    def restart(self, name: str, seconds_away: float = 0.0) -> None:
        """End etcd or the API server, and start it again after a while."""
        self.running.pop(name).end()
        time.sleep(seconds_away)
        self.start_etcd() if name == "etcd" else self.start_api()

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        self.running[name] = self.place.start(name, [binaries.program(name), *arguments])

    def _has_account(self) -> bool:
        try:
            return bool(self.kubectl("get", "serviceaccount", "default"))
        except AssertionError:
            return False

    def _sign(self) -> None:
        authority = Authority.new(self.folder / "pki")
        first = self.shape.services[0].rpartition(".")[0] + ".1"
        names = [
            f"DNS:{name}" for name in ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
        ]
        names += [f"IP:{address}" for address in ("127.0.0.1", first, self.shape.address)]
        authority.sign("apiserver", "kube-apiserver", ["system:masters"], names)
        authority.sign("admin", "admin", ["system:masters"])
        for name in ("controller-manager", "scheduler", "proxy"):
            authority.sign(name, f"system:kube-{name}")
        for name in ("admin", "controller-manager", "scheduler", "proxy"):
            authority.kubeconfig(name, self.shape.server)
        rows = [f'{token},{user},{user},"{group}"' for token, (user, group) in TOKENS.items()]
        (authority.folder / "tokens.csv").write_text("\n".join(rows) + "\n")
        (authority.folder / "audit.yaml").write_text(AUDIT)
