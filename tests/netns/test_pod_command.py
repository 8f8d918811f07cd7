"""`felixpy pod`: a pod made, listed, reached and removed by commands alone, on a node with its own /run."""

import json
import subprocess
import sys
from pathlib import Path

from tests.namespaces import Namespace
from tests.netns.agent_process import node, until
from tests.netns.cni_plugin import apply, devices, document, endpoints, in_use, trouble

STEPS = """
mount -t tmpfs none /run
felixpy() { "$PYTHON" -m felixpy "$@"; echo "exit $?"; }
echo '== add';    felixpy pod add web -o json
echo '== again';  felixpy pod add web 2>&1
echo '== other';  felixpy pod add web --namespace blue --ip 10.65.0.200 -o json
echo '== wrong';  felixpy pod add ../web 2>&1
echo '== taken';  felixpy pod add db --ip 10.65.0.200 2>&1
echo '== list';   felixpy pod list -o json
echo '== names';  ip netns list | sort; ls "$FELIXPY_RUN_DIR/pods"
echo '== ping';   ip netns exec web ping -c1 -W1 10.65.0.200
echo '== delete'; felixpy pod delete web
echo '== left';   ip netns list
echo '== twice';  felixpy pod delete web 2>&1
echo '== rest';   felixpy pod delete web --namespace blue
"""


def played(environment: dict[str, str]) -> dict[str, str]:
    """The output of each step."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", STEPS],
        check=False, env={**environment, "PYTHON": sys.executable}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    steps = done.stdout.split("== ")[1:]
    return {step.partition("\n")[0]: step.partition("\n")[2] for step in steps}


def test_pods_are_made_listed_and_removed_by_hand(netns: Namespace, tmp_path: Path) -> None:
    netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
    with node(tmp_path) as made:
        strict = document("IPAMConfig", "default", strictAffinity=True)
        apply(made, document("Node", "n1"), document("IPPool", "p", cidr="10.65.0.0/24"), strict)
        made.start()
        steps = played(made.environment)
        add, other = (json.loads(steps[step].rpartition("exit 0")[0]) for step in ("add", "other"))
        assert (add["name"], add["namespace"], add["node"], len(add["addresses"])) == ("web", "default", "n1", 1)
        assert other["addresses"] == ["10.65.0.200"]
        assert "pod default/web exists here already" in steps["again"] and "exit 2" in steps["again"]
        assert "not a DNS-1123 name" in steps["wrong"] and "exit 2" in steps["wrong"]
        assert "10.65.0.200 is already assigned" in steps["taken"] and "exit 1" in steps["taken"]
        listed = json.loads(steps["list"].rpartition("exit 0")[0])["pods"]
        assert [(pod["namespace"], pod["name"], pod["state"]) for pod in listed] == [
            ("blue", "web", "up"), ("default", "web", "up"),
        ]  # fmt: skip
        assert [line.split()[0] for line in steps["names"].splitlines()] == [
            "blue.web",
            "web",
            "blue.web",
            "default.web",
        ]
        assert ", 0% packet loss" in steps["ping"]
        assert steps["delete"] == "pod default/web deleted from n1\nexit 0\n"
        assert [line.split()[0] for line in steps["left"].splitlines()] == ["blue.web"]
        assert "has no pod default/web" in steps["twice"] and "exit 1" in steps["twice"]
        assert "exit 0" in steps["rest"]
        until(lambda: not devices())
        assert (endpoints(made), in_use(made), trouble(made)) == ({}, 0, [])
