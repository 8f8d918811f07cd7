"""A whole cluster: wires, control plane, nodes. What it makes is in its folder, its nodes and one control group.

    cluster = Cluster.new(Plan(nodes=3))
    cluster.up()
    cluster.control.kubectl("get", "nodes")
    cluster.down()

Its folder is in ~/.cache/felixpy/clusters (XDG_CACHE_HOME is honoured), so that `down` works after any crash.
"""

import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from felixpy.lab import namespaces, registry
from felixpy.lab.registry import Lab
from tests.cluster import cgroups
from tests.cluster.control import Control, Shape
from tests.cluster.fabric import CONTROL, Fabric
from tests.cluster.images import Image, busybox, pause
from tests.cluster.machine import Machine
from tests.cluster.places import Node

LOOPBACK = Path("/usr/lib/cni/loopback")  # the one plugin of others that containerd insists on


def clusters() -> Path:
    """The folder of all clusters."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "felixpy" / "clusters"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cluster is to be."""

    nodes: int = 3
    dual_stack: bool = False
    images: tuple[Image | Path, ...] = ()  # a path: an archive that is there

    @property
    def names(self) -> tuple[str, ...]:
        """Every node's name."""
        return tuple(f"n{number}" for number in range(1, self.nodes + 1))

    @property
    def shape(self) -> Shape:
        """Its control plane."""
        pods = ("10.65.0.0/16", "fd00:65::/48") if self.dual_stack else ("10.65.0.0/16",)
        services = ("10.96.0.0/16", "fd00:96::/112") if self.dual_stack else ("10.96.0.0/16",)
        return Shape(CONTROL, pods=pods, services=services, controllers=True)


@dataclass(slots=True)
class Cluster:
    """A cluster; `machines` are the nodes that joined."""

    plan: Plan
    fabric: Fabric
    machines: dict[str, Machine] = field(default_factory=dict)
    _control: Control | None = None
    _lab: Lab | None = None

    @classmethod
    def new(cls, plan: Plan, name: str = "") -> "Cluster":
        """One that is not up yet, under a name that no other has."""
        name = name or f"k8s-{os.getpid()}-{time.monotonic_ns() % 10**6}"
        return cls(plan, Fabric(name, clusters() / name, plan.names))

    @property
    def folder(self) -> Path:
        """Everything of it that is a file."""
        return self.fabric.folder

    @property
    def control(self) -> Control:
        """Its control plane."""
        assert self._control is not None, "the cluster is not up"
        return self._control

    def host(self, name: str) -> Node:
        """Any node of the fabric: `cp`, `n1`, `tor`, `out`."""
        assert self._lab is not None, "the cluster is not up"
        return Node(self._lab, name, self.folder / name)

    def up(self) -> None:
        """Bring it up; returns when every node has joined. They are not Ready: there is no pod network yet."""
        self.folder.mkdir(parents=True)
        (self.folder / "maker").write_text(f"{os.getpid()} {namespaces.start_time(os.getpid())}\n")
        try:
            self._lab = self.fabric.deploy()
            self._control = Control(self.host("cp"), self.plan.shape)
            self._control.start()
            self._join(self.plan.names)
        except BaseException:
            self.down()
            raise

    def add(self, name: str) -> None:
        """Wire one more machine, and let it join."""
        self.fabric = replace(self.fabric, nodes=(*self.fabric.nodes, name))
        self._lab = self.fabric.change()
        self._join([name])

    def remove(self, name: str) -> None:
        """Take a machine away with all that it has: its plug is pulled. The API server still knows its node."""
        self.fabric = replace(self.fabric, nodes=tuple(other for other in self.fabric.nodes if other != name))
        self._lab = self.fabric.change()
        machine = self.machines.pop(name)
        for running in machine.running.values():
            running.process.wait(10)
        cgroups.remove(machine.cgroup)
        shutil.rmtree(machine.folder)

    def _join(self, names: Sequence[str]) -> None:
        files = self._images()
        for name in names:
            self.machines[name] = self._machine(name)
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name: self.machines[name].start(files), names))

    def keep(self) -> None:
        """Let it outlive the process that made it."""
        (self.folder / "maker").unlink()

    def down(self) -> None:
        """Remove all of it: processes, namespaces, mounts, control groups, files."""
        self.fabric.destroy()
        for one in [self._control, *self.machines.values()]:
            for running in one.running.values() if one is not None else ():
                running.process.wait(10)  # its node has ended it
        cgroups.remove(f"/{self.fabric.name}")
        shutil.rmtree(self.folder)

    def _images(self) -> list[Path]:
        place = self.folder / "images"
        if not place.is_dir():
            place.mkdir()
            for number, image in enumerate((pause(), busybox(), *self.plan.images)):
                file = place / f"{number}.tar"
                shutil.copy(image, file) if isinstance(image, Path) else image.write(file)
        return sorted(place.iterdir())

    def _machine(self, name: str) -> Machine:
        plugins = self.folder / name / "opt-cni" / "bin"
        plugins.mkdir(exist_ok=True)
        shutil.copy(LOOPBACK, plugins)
        families = (4, 6) if self.plan.dual_stack else (4,)
        addresses = tuple(self.fabric.address(name, family) for family in families)
        number = self.fabric.nodes.index(name) + 1
        return Machine(
            self.host(name), self.control, f"/{self.fabric.name}/{name}", addresses, f"rack=r{(number + 1) // 2}"
        )


def left_over() -> list[Cluster]:
    """Clusters whose maker is gone without having removed or kept them."""
    found = []
    for folder in sorted(clusters().iterdir()) if clusters().is_dir() else ():
        try:
            pid, started = (folder / "maker").read_text().split()
        except (OSError, ValueError):
            continue
        if namespaces.start_time(int(pid)) != int(started):
            found.append(existing(folder))
    return found


def existing(folder: Path) -> Cluster:
    """A cluster that another process made: good for `host` and `down`."""
    lab = registry.read(folder / "labs" / folder.name)
    names = tuple(sorted(name for name in lab.nodes if name.startswith("n")))
    cluster = Cluster(Plan(), Fabric(folder.name, folder, names))
    cluster._lab = lab
    cluster._control = Control(cluster.host("cp"), Shape(CONTROL, controllers=True))
    return cluster
