"""One node of the cluster: containerd, kubelet and kube-proxy in a node of the lab."""

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import binaries, cgroups
from tests.cluster.control import Control
from tests.cluster.places import Node, Running, until

SOCKET = "/run/containerd/containerd.sock"
PAUSE = "localhost/pause:local"
CONTAINERD = """version = 2
root = "{folder}/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""
KUBELET = """apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {pki}/ca.crt}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {pki}/{name}.crt
tlsPrivateKeyFile: {pki}/{name}.key
address: 0.0.0.0
healthzBindAddress: 127.0.0.1
cgroupDriver: cgroupfs
cgroupRoot: {cgroup}
enforceNodeAllocatable: [pods]
failSwapOn: false
maxPods: 200
resolvConf: {folder}/resolv.conf
evictionHard: {{memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 0%}}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 5s
syncFrequency: 10s
volumePluginDir: {folder}/plugins
featureGates: {{{gates}}}
"""


@dataclass(slots=True)
class Machine:
    """A node; `running` holds its containerd, kubelet and kube-proxy."""

    place: Node
    control: Control
    cgroup: str
    addresses: tuple[str, ...]
    labels: str = ""
    running: dict[str, Running] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The node's name."""
        return self.place.name

    @property
    def folder(self) -> Path:
        """Its files and logs."""
        return self.place.folder

    def start(self, images: Sequence[Path]) -> None:
        """Start everything; returns when the node is registered."""
        self._configure()
        self.place.run(["sh", "-ec", cgroups.mount_script()])
        self.start_containerd()
        for image in images:
            self.ctr("images", "import", str(image))
        self.start_kubelet()
        until(self.is_registered, f"{self.name} is registered", 60)
        self._start_proxy()

    def start_containerd(self) -> None:
        """The container runtime; returns when it answers."""
        self._start("containerd", f"--config={self.folder}/containerd.toml")
        until(self._containerd_answers, f"containerd of {self.name} answers")

    def start_kubelet(self) -> None:
        """The kubelet."""
        more = [f"--node-labels={self.labels}"] if self.labels else []
        self._start(
            "kubelet", f"--config={self.folder}/kubelet.yaml", f"--kubeconfig={self._pki}/{self.name}.conf",
            f"--root-dir={self.folder}/kubelet", f"--cert-dir={self.folder}/kubelet-pki",
            f"--hostname-override={self.name}", f"--node-ip={','.join(self.addresses)}", *more,
            "--container-runtime=remote", f"--container-runtime-endpoint=unix://{SOCKET}",
        )  # fmt: skip

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        """End one of its programs."""
        self.running.pop(name).end(number)

    def kill(self, container: str) -> None:
        """Kill the first process of the containers of that name; the kubelet starts them again."""
        found = self.ctr("containers", "ls", "-q", f"labels.io.kubernetes.container.name=={container}").split()
        tasks = self.ctr("tasks", "ls", "-q").split()
        for one in found:
            if one in tasks:
                self.ctr("tasks", "kill", "--signal", "SIGKILL", one)

    def ctr(self, *arguments: str) -> str:
        """containerd's own client, in Kubernetes' namespace."""
        return self.place.run([binaries.program("ctr"), "-a", SOCKET, "-n", "k8s.io", *arguments], timeout=120)

    def is_registered(self) -> bool:
        """Whether the API server knows the node."""
        assert self.running["kubelet"].alive, self.running["kubelet"].tail()
        try:
            return bool(self.control.kubectl("get", "node", self.name, "-o", "name"))
        except AssertionError:
            return False

    @property
    def _pki(self) -> Path:
        return self.control.folder / "pki"

    def _configure(self) -> None:
        authority, shape = self.control.authority, self.control.shape
        names = [f"DNS:{self.name}", *(f"IP:{address}" for address in self.addresses)]
        authority.sign(self.name, f"system:node:{self.name}", ["system:nodes"], names)
        authority.kubeconfig(self.name, shape.server)
        self.folder.mkdir(parents=True, exist_ok=True)
        gates = ", ".join(gate.replace("=", ": ") for gate in shape.gates.split(","))
        text = KUBELET.format(pki=self._pki, name=self.name, cgroup=self.cgroup, folder=self.folder, gates=gates)
        (self.folder / "kubelet.yaml").write_text(text)
        (self.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        text = CONTAINERD.format(folder=self.folder, socket=SOCKET, pause=PAUSE)
        (self.folder / "containerd.toml").write_text(text)
        cgroups.make(self.cgroup)

    def _start_proxy(self) -> None:
        shape = self.control.shape
        self._start(
            "kube-proxy", f"--kubeconfig={self._pki}/proxy.conf", f"--hostname-override={self.name}",
            f"--cluster-cidr={','.join(shape.pods)}", "--proxy-mode=iptables", f"--feature-gates={shape.gates}",
            "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s", "--healthz-bind-address=127.0.0.1:10256",
            "--metrics-bind-address=127.0.0.1:10249",
        )  # fmt: skip

    def _start(self, name: str, *arguments: str) -> None:
        self.running[name] = self.place.start(name, [binaries.program(name), *arguments])

    def _containerd_answers(self) -> bool:
        assert self.running["containerd"].alive, self.running["containerd"].tail()
        try:
            return bool(self.ctr("version"))
        except (AssertionError, subprocess.TimeoutExpired):
            return False
