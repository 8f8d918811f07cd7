"""What the kernel edge costs a daemon at its start."""

import subprocess
import sys

EVERYTHING = "routes, links, monitor, neighbours, sysctls, guard, fib, conntrack, macs, veth, pod_side"


def loaded(program: str) -> list[str]:
    show = "import sys; print(*[m for m in ('pyroute2', 'rich', 'hypothesis') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{program}; {show}"], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_kernel_edge_loads_no_library_for_netlink() -> None:
    assert loaded(f"from felixpy.kernel import {EVERYTHING}") == []
    assert loaded("import pyroute2") == ["pyroute2"], "the negative control"
