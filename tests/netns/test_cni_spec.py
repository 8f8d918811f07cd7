"""The CNI specification 1.1.0, clause by clause, over both programs: the static plugin and its Python twin.

Each clause is a sentence of the specification (or of Calico's plugin, where it says more) and has a case; a clause
without one, or a case of no clause, fails. All cases of one program meet the same agent.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from felixpy.cni import wire
from tests.namespaces import Namespace
from tests.netns.agent_process import ip, node, until
from tests.netns.cni_plugin import Answer, Runtime, apply, devices, document, endpoints, in_use, journal, trouble

FOLDER = Path(wire.__file__).parent
CLAUSES = {
    "version": "VERSION prints cniVersion and supportedVersions, 0.3.1 to 1.1.0",
    "interface": "ADD creates the interface CNI_IFNAME inside the container at CNI_NETNS",
    "result": "ADD prints a result in the version that was asked for: interfaces with sandbox, ips that name theirs",
    "twice": "a second ADD of a container does no harm",
    "taken": "an interface of that name that is there already is an error, and nothing is left behind",
    "previous": "a result of earlier plugins stays in the result",
    "netns": "a namespace that is not there is an error of ADD and of CHECK, none of DEL",
    "required": "a variable that is missing or not valid is error 4",
    "incompatible": "a version that is not spoken is error 1",
    "undecodable": "what is no JSON is error 6",
    "invalid": "a configuration that is not valid is error 7",
    "error": "an error is printed on stdout with cniVersion, code and msg, and the exit code is not 0",
    "capabilities": "runtimeConfig: ips and mac are obeyed; portMappings, bandwidth and aliases are other plugins'",
    "args": "CNI_ARGS: IP and MAC are obeyed, unknown keys are ignored",
    "ipv6-only": "a pod may have IPv6 alone",
    "mtu": "the MTU is the configuration's, else the smallest of the uplinks",
    "forwarding": "whether the pod forwards is its own affair, unless allow_ip_forwarding says so",
    "check": "CHECK prints nothing when all is well",
    "check-faults": "CHECK fails for whatever is not as ADD left it",
    "check-previous": "CHECK compares with prevResult",
    "check-version": "CHECK exists since 0.4.0, GC and STATUS since 1.1.0",
    "del": "DEL takes everything away and prints nothing",
    "del-again": "DEL of what is gone, was never there, or has lost its namespace, is success",
    "del-unnamed": "DEL finds an attachment without CNI_ARGS and without CNI_NETNS",
    "gc": "GC takes away every attachment that is not valid, and no other",
    "status": "STATUS prints nothing when pods can be attached",
}
CASES: dict[str, Callable[["Spec"], None]] = {}


def case(clause: str) -> Callable[[Callable[["Spec"], None]], None]:
    def register(body: Callable[["Spec"], None]) -> None:
        assert clause not in CASES
        CASES[clause] = body

    return register


@dataclass
class Spec:
    """One program on one node."""

    runtime: Runtime
    netns: Namespace

    def using(self, **config: Any) -> Runtime:
        return replace(self.runtime, config={**self.runtime.config, **config})

    @contextmanager
    def pod(self, **config: Any) -> Iterator[tuple[Namespace, Answer]]:
        """A pod that is attached, and taken away at the end."""
        inside = self.netns.another()
        try:
            yield inside, self.using(**config).add("web", inside)
        finally:
            assert self.runtime.call("DEL", "web", inside).code == 0
            self.netns.others.remove(inside)
            inside.close()

    def nothing_is_left(self) -> None:
        until(lambda: not devices() and not journal(self.runtime.node))
        assert (endpoints(self.runtime.node), in_use(self.runtime.node), trouble(self.runtime.node)) == ({}, 0, [])


@pytest.fixture(params=["twin", "shim"])
def spec(request: pytest.FixtureRequest, netns: Namespace, tmp_path: Path) -> Iterator[Spec]:
    program: tuple[str, ...] = (sys.executable, "-I", "-S", str(FOLDER / "__main__.py"))
    if request.param == "shim":
        if (compiler := shutil.which("cc")) is None:
            pytest.skip("needs a C compiler (cc) to build the shim")
        program = (str(tmp_path / "felixpy-cni"),)
        subprocess.run([compiler, "-O2", "-static", "-o", program[0], str(FOLDER / "shim.c")], check=True)
    with node(tmp_path) as made:
        netns.run("ip", "link", "add", "eth0", "mtu", "1400", "type", "veth", "peer", "name", "tor")
        netns.run("ip", "link", "add", "docker0", "mtu", "1300", "type", "bridge")
        for command in (
            "link set eth0 up",
            "link set tor up",
            "link set docker0 up",
            "address add 10.0.0.1/24 dev eth0",
        ):
            netns.run("ip", *command.split())
        netns.run("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
        netns.run("ip", "address", "add", "fd00::1/64", "dev", "eth0", "nodad")
        apply(
            made,
            document("Node", "n1", bgp={"ipv4Address": "10.0.0.1/24"}),
            document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28),
            document("IPPool", "six", cidr="fd00:65::/112"),
            document("IPAMConfig", "default", strictAffinity=True, autoAllocateBlocks=True),
        )
        made.start()
        yield Spec(Runtime(made, program), netns)


@pytest.mark.timeout(240)
def test_every_clause_holds(spec: Spec) -> None:
    assert CASES.keys() == CLAUSES.keys()
    failed = {}
    for clause, body in CASES.items():
        try:
            body(spec)
            spec.nothing_is_left()
        except (AssertionError, LookupError, ValueError) as error:
            failed[CLAUSES[clause]] = str(error)[:600]
    assert failed == {}


def code(answer: Answer) -> int:
    """The code of an error that is whole."""
    assert answer.code != 0, answer
    assert answer.json["cniVersion"] in wire.VERSIONS and answer.json["msg"], answer
    return int(answer.json["code"])


def rows(inside: Namespace, *words: str) -> Any:
    return json.loads(inside.run("ip", "-j", *words))


@case("version")
def _(spec: Spec) -> None:
    for version in ("0.3.1", "0.4.0", "1.0.0", "1.1.0"):
        answer = spec.using(cniVersion=version).call("VERSION", "web")
        assert answer.code == 0 and answer.json["cniVersion"] == version
        assert set(answer.json["supportedVersions"]) >= {"0.3.1", "0.4.0", "1.0.0", "1.1.0"}


@case("interface")
def _(spec: Spec) -> None:
    with spec.pod() as (inside, answer):
        (link,) = rows(inside, "link", "show", "eth0")
        assert "UP" in link["flags"] and answer.json["interfaces"][1]["mac"] == link["address"]
        there = rows(inside, "address", "show", "eth0", "scope", "global")[0]["addr_info"]
        assert {it["local"] for it in there if it} == set(answer.addresses)


@case("result")
def _(spec: Spec) -> None:
    for version in ("0.3.1", "0.4.0", "1.0.0", "1.1.0"):
        with spec.pod(cniVersion=version) as (_, answer):
            result = answer.json
            assert result["cniVersion"] == version
            host, pod = result["interfaces"]
            assert "sandbox" not in host and pod["sandbox"].startswith("/proc/")
            assert [entry["interface"] for entry in result["ips"]] == [1, 1]
            assert ("version" in result["ips"][0]) == version.startswith("0.")
            assert ("mtu" in pod) == (version == "1.1.0")


@case("twice")
def _(spec: Spec) -> None:
    with spec.pod() as (inside, first):
        assert spec.runtime.add("web", inside).json == first.json
        assert in_use(spec.runtime.node) == 2  # one of each family


@case("taken")
def _(spec: Spec) -> None:
    inside = spec.netns.another()
    inside.run("ip", "link", "add", "eth0", "type", "bridge")
    assert code(spec.runtime.call("ADD", "web", inside)) == 101
    spec.nothing_is_left()
    assert [link["ifname"] for link in rows(inside, "link")] == ["lo", "eth0"]


@case("previous")
def _(spec: Spec) -> None:
    before = {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "other0"}],
        "ips": [{"address": "192.0.2.1/32", "interface": 0}],
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    with spec.pod(prevResult=before) as (_, answer):
        result = answer.json
        assert (result["routes"], result["dns"]) == (before["routes"], before["dns"])
        assert [it["name"] for it in result["interfaces"]] == ["other0", answer.json["interfaces"][1]["name"], "eth0"]
        assert [entry["interface"] for entry in result["ips"]] == [0, 2, 2]


@case("netns")
def _(spec: Spec) -> None:
    assert code(spec.runtime.call("ADD", "web", "/nowhere")) == 3
    assert code(spec.runtime.call("CHECK", "web", "/nowhere")) == 3
    assert spec.runtime.call("DEL", "web", "/nowhere").code == 0


@case("required")
def _(spec: Spec) -> None:
    assert code(spec.runtime.call("ADD", "web", "")) == 4
    assert code(spec.runtime.call("ADD", "web", "/nowhere", "../etc")) == 4
    assert code(spec.runtime.call("ADD", "web", "/nowhere", interface="a/b")) == 4
    assert code(spec.runtime.call("EAT", "web")) == 4


@case("incompatible")
def _(spec: Spec) -> None:
    for version in ("0.2.0", "2.0.0", "x"):
        assert code(spec.using(cniVersion=version).call("ADD", "web", "/nowhere")) == 1


@case("undecodable")
def _(spec: Spec) -> None:
    for text in (b"{", b"\xff\xfe", b"[" * 100_000):
        assert code(spec.runtime.call("ADD", "web", "/nowhere", stdin=text)) == 6


@case("invalid")
def _(spec: Spec) -> None:
    for wrong in ({"mtu": "large"}, {"mtu": -1}, {"name": "no/name"}, {"ipam": 3}, {"runtimeConfig": {"mac": "02"}}):
        assert code(spec.using(**wrong).call("ADD", "web", "/nowhere")) == 7, wrong


@case("error")
def _(spec: Spec) -> None:
    for version in ("0.3.1", "0.4.0", "1.0.0", "1.1.0"):
        answer = spec.using(cniVersion=version).call("ADD", "web", "/nowhere")
        assert answer.code == 1 and answer.stderr == ""
        assert answer.json["cniVersion"] == version and answer.json["details"]


@case("capabilities")
def _(spec: Spec) -> None:
    asked = {
        "ips": ["10.65.0.7/24", "fd00:65::7"],
        "mac": "02:11:22:33:44:55",
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
        "bandwidth": {"ingressRate": 1},
        "aliases": {"net": ["web"]},
    }
    with spec.pod(runtimeConfig=asked) as (inside, answer):
        assert set(answer.addresses) == {"10.65.0.7", "fd00:65::7"}
        assert answer.json["interfaces"][1]["mac"] == "02:11:22:33:44:55"
        assert rows(inside, "link", "show", "eth0")[0]["address"] == "02:11:22:33:44:55"
        (neighbour,) = json.loads(ip("-j", "-4", "neigh", "show", "dev", answer.device, "nud", "permanent"))
        assert neighbour["lladdr"] == "02:11:22:33:44:55"
        spec.netns.run("ping", "-c1", "-W2", "10.65.0.7")


@case("args")
def _(spec: Spec) -> None:
    inside = spec.netns.another()
    answer = spec.runtime.call("ADD", "web", inside, args="IP=10.65.0.9;MAC=02-00-00-00-00-09;COLOUR=red")
    assert answer.code == 0 and answer.addresses == ["10.65.0.9"], answer
    assert answer.json["interfaces"][1]["mac"] == "02:00:00:00:00:09"
    assert spec.runtime.call("DEL", "web", inside).code == 0


@case("ipv6-only")
def _(spec: Spec) -> None:
    with spec.pod(ipam={"assign_ipv4": "false", "assign_ipv6": "true"}) as (inside, answer):
        (address,) = answer.addresses
        assert ":" in address
        spec.netns.run("ping", "-c1", "-W2", address)
        assert rows(inside, "-4", "route") == []
        assert rows(inside, "-6", "route", "show", "default")[0]["gateway"] == "fe80::ecee:eeff:feee:eeee"


@case("mtu")
def _(spec: Spec) -> None:
    for config, mtu in (({}, 1400), ({"mtu": 1280}, 1280)):  # docker0 has 1300, and no packet of a pod leaves by it
        with spec.pod(**config) as (inside, answer):
            assert answer.json["interfaces"][1]["mtu"] == mtu
            assert rows(inside, "link", "show", "eth0")[0]["mtu"] == mtu
            assert json.loads(ip("-j", "link", "show", answer.device))[0]["mtu"] == mtu


@case("forwarding")
def _(spec: Spec) -> None:
    for asked, wanted in ((False, before_forwarding(spec)), (True, "1 1")):
        with spec.pod(container_settings={"allow_ip_forwarding": asked}) as (inside, _):
            assert forwarding(inside) == wanted


def forwarding(inside: Namespace) -> str:
    return " ".join(inside.run("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding").split())


def before_forwarding(spec: Spec) -> str:
    return forwarding(spec.netns.another())


@case("check")
def _(spec: Spec) -> None:
    with spec.pod() as (inside, answer):
        checked = spec.using(prevResult=answer.json).call("CHECK", "web", inside)
        assert (checked.code, checked.text) == (0, ""), checked
        assert spec.runtime.call("CHECK", "web", inside).code == 0


@case("check-faults")
def _(spec: Spec) -> None:
    faults = {
        "link set eth0 address 02:00:00:00:00:01": "has the MAC",
        "-4 address flush dev eth0": "does not have the address",
        "-4 route del default": "no default route via 169.254.1.1",
        "-6 route del default": "no default route via fe80::ecee:eeff:feee:eeee",
        "neigh del 169.254.1.1 dev eth0": "neighbour entry 169.254.1.1",
        "link set eth0 down": "is down in the pod",
        "link set eth0 name other": "has no interface eth0",
        "link del eth0": "no interface",
    }
    for fault, words in faults.items():
        with spec.pod() as (inside, _):
            inside.run("ip", *fault.split())
            answer = spec.runtime.call("CHECK", "web", inside)
            assert code(answer) == 999 and words in answer.json["details"], (fault, answer)
    assert code(spec.runtime.call("CHECK", "web", spec.netns.another())) == 3


@case("check-previous")
def _(spec: Spec) -> None:
    with spec.pod() as (inside, answer):
        other = json.loads(answer.text.replace(answer.addresses[0], "10.65.0.99"))
        checked = spec.using(prevResult=other).call("CHECK", "web", inside)
        assert code(checked) == 999 and "prevResult has 10.65.0.99" in checked.json["details"]
        assert code(spec.using(prevResult={"ips": 3}).call("CHECK", "web", inside)) == 7


@case("check-version")
def _(spec: Spec) -> None:
    assert code(spec.using(cniVersion="0.3.1").call("CHECK", "web", "/nowhere")) == 1
    assert code(spec.using(cniVersion="1.0.0").call("GC", "web")) == 1
    assert code(spec.using(cniVersion="1.0.0").call("STATUS", "web")) == 1


@case("del")
def _(spec: Spec) -> None:
    inside = spec.netns.another()
    spec.runtime.add("web", inside)
    answer = spec.runtime.call("DEL", "web", inside)
    assert (answer.code, answer.text) == (0, "")
    until(lambda: [link["ifname"] for link in rows(inside, "link")] == ["lo"])


@case("del-again")
def _(spec: Spec) -> None:
    assert spec.runtime.call("DEL", "never", "/nowhere").code == 0
    inside = spec.netns.another()
    spec.runtime.add("web", inside)
    spec.netns.others.remove(inside)
    inside.close()  # the namespace goes, and the interface with it
    for _ in range(2):
        assert spec.runtime.call("DEL", "web", "/nowhere").code == 0


@case("del-unnamed")
def _(spec: Spec) -> None:
    inside = spec.netns.another()
    spec.runtime.add("web", inside)
    assert spec.runtime.call("DEL", "web", "", args=None).code == 0


@case("gc")
def _(spec: Spec) -> None:
    for pod in ("web", "stale"):
        spec.runtime.add(pod, spec.netns.another())
    kept = [{"containerID": "web0123456789", "ifname": "eth0"}]
    assert spec.using(**{"cni.dev/valid-attachments": kept}).call("GC", "").code == 0
    assert list(endpoints(spec.runtime.node)) == ["default/n1-k8s-web-eth0"]
    assert spec.using(**{"cni.dev/valid-attachments": []}).call("GC", "").code == 0


@case("status")
def _(spec: Spec) -> None:
    answer = spec.runtime.call("STATUS", "web")
    assert (answer.code, answer.text) == (0, "")
