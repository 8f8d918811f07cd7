"""A cluster with the manifests applied and pods running, as the tests find it, and what they ask of it."""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.cluster import built, install, tree
from tests.cluster.cluster import Cluster, Plan
from tests.cluster.places import until

HERE = Path(__file__).parent
FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"
# A test does not wait a quarter of an hour for what is collected.
HASTE = {"FELIXPY_LEAK_GRACE_S": "5"}


@dataclass(frozen=True, slots=True)
class Pod:
    """A running pod."""

    name: str
    node: str
    addresses: tuple[str, ...]

    def address(self, family: int = 4) -> str:
        """Its address of a family."""
        return next(one for one in self.addresses if ip_address(one).version == family)


@dataclass(slots=True)
class Ground:
    """The cluster, and how its nodes were before the manifests came."""

    cluster: Cluster
    before: dict[str, str]  # node -> the message of its Ready condition
    from_containerfile: bool  # else the image is the same files of this machine, put together without an engine
    took: dict[str, float] = field(default_factory=dict)  # seconds, for the figures
    settings: dict[str, str] = field(default_factory=lambda: dict(HASTE))

    @classmethod
    def prepare(cls, plan: Plan) -> "Ground":
        """Bring a cluster up, look at its nodes, apply the manifests and the workload."""
        with tempfile.TemporaryDirectory() as scratch:
            archive = built.archive()
            image = archive if archive.exists() else tree.felixpy(Path(scratch))
            cluster = Cluster.new(Plan(plan.nodes, plan.dual_stack, (image,)))
            began = time.monotonic()
            cluster.up()
        try:
            ground = cls(cluster, _messages(cluster), from_containerfile=isinstance(image, Path))
            ground.took["cluster"] = time.monotonic() - began
            began = time.monotonic()
            install.install(cluster, more=ground.settings)
            ground.took["manifests"] = time.monotonic() - began
            ground.fill()
        except BaseException:
            cluster.down()
            raise
        return ground

    @property
    def families(self) -> tuple[int, ...]:
        """The address families of its pods."""
        return (4, 6) if self.cluster.plan.dual_stack else (4,)

    def kubectl(self, *arguments: str, given: str | None = None, timeout: float = 60.0) -> str:
        """kubectl as administrator."""
        return self.cluster.control.kubectl(*arguments, given=given, timeout=timeout)

    def pods(self, selector: str = "serves=yes") -> list[Pod]:
        """The running pods that `selector` selects, in the namespace default."""
        listed = self.cluster.control.get("pods", "-l", selector)["items"]
        return [
            Pod(one["metadata"]["name"], one["spec"]["nodeName"], tuple(ip["ip"] for ip in one["status"]["podIPs"]))
            for one in listed
            if one["status"]["phase"] == "Running" and "deletionTimestamp" not in one["metadata"]
        ]

    def on(self, node: str, selector: str = "app=everywhere") -> Pod:
        """The first pod of `selector` on a node."""
        return next(pod for pod in self.pods(selector) if pod.node == node)

    def service(self, name: str) -> Any:
        """The spec of a Service."""
        return self.cluster.control.get("service", name)["spec"]

    def fetch(self, where: str, address: str, page: str = "from", port: int = 80) -> str:
        """What a host of the fabric gets by HTTP; AssertionError when nothing answers."""
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{port}/cgi-bin/{page}"
        return plain(self.cluster.host(where).run([sys.executable, "-I", "-c", FETCH, url]))

    def felixpy(self, *arguments: str, program: str = "felixpy") -> subprocess.CompletedProcess[str]:
        """Our command line with the administrator's kubeconfig, where the API server can be reached."""
        store = ["--datastore", f"kubernetes:{self.cluster.control.kubeconfig}"]
        place = self.cluster.host("cp")
        from felixpy.lab import enter

        return subprocess.run(
            enter.command(place.lab, place.name, [sys.executable, "-m", program, *arguments, *store]),
            env=enter.environment(place.lab, place.name), capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip

    def rolled_out(self, *names: str, namespace: str = "felixpy") -> None:
        """Wait until each of them is rolled out; AssertionError that says what its pods are waiting for."""
        install.rolled_out(self.cluster.control, *names, namespace=namespace)

    def ready(self, selector: str, count: int, seconds: float = 300.0) -> None:
        """Wait until `count` pods are ready and no other is left."""

        def check() -> bool:
            listed = self.cluster.control.get("pods", "-l", selector)["items"]
            states = [one.get("status", {}).get("containerStatuses", [{}])[0].get("ready") for one in listed]
            return len(states) == count and all(states)

        until(check, f"{count} pods {selector} are ready", seconds, every=0.5)

    def namespace_of(self, pod: Pod) -> list[str]:
        """The words that run a program in a pod's network namespace, on its node."""
        look = f"nsenter --net=$n ip -o addr | grep -qF ' {pod.addresses[0]}/' && echo $n"
        script = f"for n in /run/netns/*; do {look}; done; :"
        found = self.cluster.host(pod.node).run(["sh", "-c", script]).split()
        assert len(found) == 1, f"{pod}: {found}"
        return ["nsenter", f"--net={found[0]}"]

    @contextmanager
    def unbroken(self, source: Pod, target: Pod, family: int = 4) -> Iterator[None]:
        """Ping from pod to pod, 50 times a second, while the block runs: AssertionError unless all were answered."""
        line = [*self.namespace_of(source), "ping", "-i", "0.02", "-W", "1", target.address(family)]
        running = self.cluster.host(source.node).start(f"ping-{time.monotonic_ns()}", line)
        time.sleep(0.5)
        try:
            yield
            time.sleep(0.5)
        finally:
            running.end(2)
        gaps = lost(running.log.read_text())
        assert not gaps, f"{source} -> {target}: pings {gaps} were not answered"

    def fill(self) -> None:
        """Tell the switch, and start the pods that tests talk to."""
        for name in ("bgp.yaml", *(["bgp-v6.yaml"] if 6 in self.families else []), "workload.yaml"):
            text = (HERE / name).read_text()
            if 6 not in self.families:
                text = re.sub(r', (\{cidr: )?"2001:db8:113::\S*?"\}?', "", text)
                text = text.replace(', {cidr: "fd00:96::/112"}', "")
            self.kubectl("apply", "-f", "-", given=text)
        self.rolled_out("deployment/web", "deployment/one", "daemonset/everywhere", namespace="default")


def lost(text: str) -> list[int]:
    """The numbers of pings that were not answered although later ones were, from ping's output."""
    numbers = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", text)}
    assert len(numbers) > 10, text[-400:]
    return sorted(set(range(1, max(numbers) + 1)) - numbers)


def plain(text: str) -> str:
    """An address as httpd tells it, without brackets, port and IPv4-mapping."""
    text = text.strip().removeprefix("[").partition("]")[0]
    return text.removeprefix("::ffff:")


def _messages(cluster: Cluster) -> dict[str, str]:
    found = {}
    for node in cluster.control.get("nodes")["items"]:
        ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
        found[node["metadata"]["name"]] = f"{ready['status']}: {ready['message']}"
    return found


def columns(text: str) -> Sequence[Sequence[str]]:
    """A table of kubectl or ours as rows of words, without its head."""
    return [line.split() for line in text.splitlines()[1:]]


def decoded(text: str) -> Any:
    """JSON, or an error that shows the text."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise AssertionError(text) from error
