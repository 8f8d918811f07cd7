"""The plugin itself: the Python twin of shim.c. It knows nothing of networks; it lends the agent its rights.

It runs with the runtime's rights: it opens the pod's network namespace and a NETLINK_ROUTE socket in it and passes
both to the agent, which needs no right to change namespaces. Settings under /proc/sys/net belong to the namespace
of whoever opens the file, so the agent tells the twin which to write.

A runtime waits for every millisecond of its start: it imports what C gives (`_socket`), and json only for an error.
`python3 -I -S FOLDER/felixpy/cni/__main__.py` starts it without the site's packages, 30 ms sooner than `felixpy cni`.
"""

import _socket
import os
import sys
import time

from felixpy.cni import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from felixpy.cni.errors import CniError

RUN_DIR, STATE_DIR = "/run/felixpy", "/var/lib/felixpy"  # as in daemon/paths, which takes 10 ms to import
PATIENCE_S = 10.0  # how long ADD waits for an agent that is not there: a restart takes one or two
RETRY_S = 0.1
CLONE_NEWNET = 0x40000000
ANSWER_S = 60.0  # for the whole of a call; runtimes give up after minutes


class Away(Exception):
    """No agent answers: it is not running, or it died over this call."""


def main() -> None:
    """The whole program: the environment and stdin of this process, its stdout and its exit code."""
    parts = list(iter(lambda: os.read(0, 1 << 16), b""))
    code, output = run(os.environ, b"".join(parts))
    while output:
        output = output[os.write(1, output) :]
    sys.stderr.flush()
    os._exit(code)  # nothing is left to tidy up, and tidying up takes 3 ms


def run(env: "Mapping[str, str]", config: bytes) -> tuple[int, bytes]:
    """One CNI call; the exit code and what to print."""
    command = env.get("CNI_COMMAND", "")
    if command == "VERSION":
        import json

        answer = {"cniVersion": _version(config), "supportedVersions": list(wire.VERSIONS)}
        return 0, json.dumps(answer).encode() + b"\n"
    message = wire.request(env, config)
    try:
        return _call(env, message, env.get("FELIXPY_RUN_DIR") or RUN_DIR, 0.0 if command == "DEL" else PATIENCE_S)
    except Away as error:
        from felixpy.cni.errors import TRY_AGAIN, CniError

        if command == "DEL":
            return _leave_tombstone(env, message)
        hint = f"{error}; the runtime tries again"
        return _failed(config, CniError(TRY_AGAIN, "the felixpy agent of this node does not answer", hint))


def _call(env: "Mapping[str, str]", message: bytes, folder: str, patience_s: float) -> tuple[int, bytes]:
    lent = list(_lent(env.get("CNI_NETNS", "")))
    try:
        agent = _connected(folder, patience_s)
        try:
            rights = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in lent)
            beside = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if lent else []
            sent = agent.sendmsg([message], beside)
            if sent < len(message):  # an empty send would fail once the agent has answered and gone
                agent.sendall(message[sent:])
            return _obey(agent)
        finally:
            agent.close()
    except OSError as error:
        raise Away(f"{folder}/cni.sock: {error.strerror or error}") from error
    finally:
        for descriptor in lent:
            os.close(descriptor)


def _connected(folder: str, patience_s: float) -> _socket.socket:
    """A connection to the agent, waiting for one that is just being restarted."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _connection(folder)
        except OSError:
            if time.monotonic() + RETRY_S >= deadline:
                raise
            time.sleep(RETRY_S)


def _connection(folder: str) -> _socket.socket:
    there = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    agent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        agent.settimeout(ANSWER_S)
        agent.connect(f"/proc/self/fd/{there}/cni.sock")  # fits sockaddr_un, however deep the folder
    except OSError:
        agent.close()
        raise
    finally:
        os.close(there)
    return agent


def _lent(netns: str) -> "Iterator[int]":
    """The pod's namespace and a netlink socket in it. This process stays in there; nothing when it is gone."""
    if not netns:
        return
    try:
        namespace = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # the agent says what that means: an error for ADD, nothing for DEL
    try:
        _enter(namespace)
    except OSError:
        os.close(namespace)
        return
    yield namespace
    yield _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0).detach()


def _enter(namespace: int) -> None:
    if sys.version_info >= (3, 12):
        os.setns(namespace, CLONE_NEWNET)
        return
    import _ctypes  # what C gives of ctypes, which takes 3 ms to import; it keeps no errno

    setns = _ctypes.dlsym(_ctypes.dlopen(None, os.RTLD_NOW), "setns")  # type: ignore[arg-type]
    if _ctypes.call_function(setns, (namespace, CLONE_NEWNET)):
        raise OSError("setns refused")


def _obey(agent: _socket.socket) -> tuple[int, bytes]:
    """Write what the agent wants written until it says with which code and words to end."""
    came = b""
    while more := agent.recv(1 << 16):
        came += more
        while b"\n" in came:
            line, _, came = came.partition(b"\n")
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "write":
                agent.sendall(_write(*rest.partition(" ")[::2]))
            elif word == "exit":
                code, _, size = rest.partition(" ")
                while len(came) < int(size) and (more := agent.recv(1 << 16)):
                    came += more
                if len(came) >= int(size):
                    return int(code), came[: int(size)]
    raise Away("the agent ended before it answered")


def _write(setting: str, value: str) -> bytes:
    if not wire.safe_setting(setting):
        return b"failed 1\n"
    try:
        descriptor = os.open(f"/proc/sys/{setting}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        return b"failed %d\n" % (error.errno or 5)
    return b"done\n"


def _leave_tombstone(env: "Mapping[str, str]", message: bytes) -> tuple[int, bytes]:
    """Leave word for the agent that this container is gone; the runtime is told that all is well."""
    from pathlib import Path

    from felixpy.cni.errors import INVALID_ENVIRONMENT, TRY_AGAIN, CniError

    container, interface = env.get("CNI_CONTAINERID", ""), env.get("CNI_IFNAME", "")
    if not container or not interface or "/" in container + interface or container.startswith("."):
        fault = CniError(
            INVALID_ENVIRONMENT, "CNI_CONTAINERID or CNI_IFNAME is missing or not valid", "DEL needs both"
        )
        return _failed(b"", fault)
    folder = Path(env.get("FELIXPY_STATE_DIR") or STATE_DIR, "cni", "tombstones")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f".{container}@{interface}"
        with fresh.open("wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(folder / f"{container}@{interface}")
    except OSError as error:
        hint = f"the agent does not answer and {folder} cannot be written: {error.strerror}"
        return _failed(b"", CniError(TRY_AGAIN, "the deletion could not be noted", hint))
    return 0, b""


def _failed(config: bytes, error: "CniError") -> tuple[int, bytes]:
    import json

    from felixpy.cni.errors import document

    return 1, json.dumps(document(_version(config), error)).encode() + b"\n"


def _version(config: bytes) -> str:
    import json

    try:
        version = json.loads(config)["cniVersion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return wire.VERSIONS[-1]
    return version if version in wire.VERSIONS else wire.VERSIONS[-1]
