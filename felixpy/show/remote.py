"""A node of a cluster, asked from anywhere: by a program run in the pod of one of its daemons.

The API server's own rights decide who may (pods/exec); no daemon listens on a port for this.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from felixpy.model.errors import Trouble, Unreachable, Usage

SCHEME = "kubernetes"
LABEL = "app.kubernetes.io/name"
DAEMONS = ("felixpy", "birdpy")
NAMESPACES = ("felixpy", "kube-system")  # where the daemons may be, for who may not look everywhere


class Named(msgspec.Struct):
    """`metadata` of a Pod."""

    name: str
    namespace: str
    labels: dict[str, str] = {}


class FoundPod(msgspec.Struct):
    """A Pod, as far as it matters here."""

    metadata: Named


class Pods(msgspec.Struct):
    """A list of them."""

    items: list[FoundPod] = []


def run_on(cluster: str, node: str, daemon: str, argv: Sequence[str], *, may_fail: bool = False) -> bytes:
    """What `argv` prints in the pod of `daemon` on `node` (in the other daemon's when that one is not there).

    With `may_fail` also when its exit code is not 0, as long as it printed something. Unreachable or Trouble says
    what went wrong, with the program's own words.
    """
    from felixpy.datastore.kubernetes.access import find_access
    from felixpy.datastore.kubernetes.exec import run_in_pod

    argument = cluster.partition(":")[2]
    pods = {pod.labels.get(LABEL): pod for pod in asyncio.run(_pods(argument, node))}
    pod = pods.get(daemon) or next(iter(pods.values()), None)
    if pod is None:
        raise Unreachable(f"no pod of felixpy or birdpy runs on node {node} of {find_access(argument).target}")
    done = run_in_pod(find_access(argument), pod.namespace, pod.name, argv)
    if done.code and not (may_fail and done.output):
        raise Trouble(f"pod {pod.namespace}/{pod.name}: {done.complaint or f'exit code {done.code}'}")
    return done.output


def ask_on(cluster: str, node: str, daemon: str, what: str, **arguments: Any) -> Any:
    """One question to a daemon there, by its own status socket."""
    question = msgspec.json.encode({"ask": what, **arguments}).decode()
    output = run_on(cluster, node, daemon, ("felixpy", "ask", daemon, question))
    try:
        return msgspec.json.decode(output)
    except ValueError as error:
        raise Unreachable(f"{daemon} of node {node} answered nothing that can be read") from error


def means_cluster(datastore: str | None) -> bool:
    """Whether a datastore's name is a cluster's."""
    return (datastore or "").partition(":")[0] == SCHEME


def has_cluster() -> bool:
    """Whether this user has a cluster at hand without naming one."""
    from felixpy.datastore.kubernetes.access import find_access

    try:
        find_access()
    except (Usage, Trouble):
        return False
    return True


async def _pods(argument: str, node: str) -> list[Named]:
    from felixpy.datastore.kubernetes.access import find_access
    from felixpy.datastore.kubernetes.api import Api, Rejected, Request, query

    api = Api(find_access(argument))
    wanted = query(labelSelector=f"{LABEL} in ({','.join(DAEMONS)})", fieldSelector=f"spec.nodeName={node}")
    refusal: Rejected | None = None
    allowed = False
    try:
        for namespace in ("", *NAMESPACES):
            path = f"/api/v1{f'/namespaces/{namespace}' if namespace else ''}/pods{wanted}"
            try:
                data = await api.call(Request("GET", path))
            except Rejected as error:
                if error.code != 403:
                    raise
                refusal = refusal or error
                continue
            allowed = True
            if found := [pod.metadata for pod in msgspec.json.decode(data, type=Pods).items]:
                return found
    finally:
        await api.close()
    if refusal is not None and not allowed:
        raise refusal
    return []
