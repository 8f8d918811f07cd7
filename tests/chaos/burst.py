"""Many pods of one node made and removed at once: `python -m tests.chaos.burst COUNT`, run inside the node.

Each is a process of its own that makes a namespace and is the plugin, as a runtime would start it; it prints the
addresses that were given, and ends with 1 when a call failed.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from felixpy.cni import pods, twin

CONFIG = pods.Wanted().config()


def call(pod: pods.Pod, command: str) -> dict[str, Any]:
    """One CNI call in this process."""
    env = {
        "CNI_COMMAND": command, "CNI_CONTAINERID": f"burst-{pod.name}", "CNI_NETNS": str(pod.netns),
        "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin",
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod.name}",
        "FELIXPY_RUN_DIR": str(pod.run_dir),
    }  # fmt: skip
    code, output = twin.run(env, CONFIG)
    if code:
        raise SystemExit(f"{command} {pod.name}: {output.decode()}")
    return dict(json.loads(output)) if output.strip() else {}


def added(pod: pods.Pod) -> None:
    """Make it; its address on stdout."""
    pods._make_namespace(pod.netns)
    address = str(call(pod, "ADD")["ips"][0]["address"])
    os.write(1, f"{address.partition('/')[0]}\n".encode())


def removed(pod: pods.Pod) -> None:
    """Remove it."""
    call(pod, "DEL")
    pods.remove_namespace(pod.netns)


def at_once(count: int, work: Callable[[pods.Pod], None]) -> int:
    """Do it for all of them side by side; how many failed."""
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(pods.Pod(f"burst{number}", "default", Path("/run/felixpy")))
                code = 0
            except BaseException as error:
                os.write(2, f"{error}\n".encode())
            finally:
                os._exit(code)
        children.append(child)
    return sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)


if __name__ == "__main__":
    failures = at_once(int(sys.argv[1]), added)
    sys.exit(min(1, failures + at_once(int(sys.argv[1]), removed)))
