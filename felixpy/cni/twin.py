"""The plugin itself: the Python twin of shim.c. It knows nothing of networks; it lends the agent its rights.

It runs with the runtime's rights: it opens the pod's network namespace and a NETLINK_ROUTE socket in it and passes
both to the agent, which needs no right to change namespaces. Settings under /proc/sys/net belong to the namespace
of whoever opens the file, so the agent tells the twin which to write. Imports stay few: a runtime waits for this.
"""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from felixpy.cni import wire
from felixpy.cni.errors import INVALID_ENVIRONMENT, TRY_AGAIN, CniError, document
from felixpy.daemon.unix import short_address

PATIENCE_S = 10.0  # how long ADD waits for an agent that is not there: a restart takes one or two
RETRY_S = 0.1
ANSWER_S = 60.0  # for the whole of a call; runtimes give up after minutes


class Away(Exception):
    """No agent answers: it is not running, or it died over this call."""


def run(env: Mapping[str, str], config: bytes, run_dir: Path, state_dir: Path) -> tuple[int, bytes]:
    """One CNI call; the exit code and what to print."""
    command = env.get("CNI_COMMAND", "")
    if command == "VERSION":
        answer = {"cniVersion": _version(config), "supportedVersions": list(wire.VERSIONS)}
        return 0, json.dumps(answer).encode() + b"\n"
    message = wire.request(env, config)
    try:
        return _call(env, message, run_dir / "cni.sock", 0.0 if command == "DEL" else PATIENCE_S)
    except Away as error:
        if command == "DEL":
            return _leave_tombstone(env, message, state_dir)
        hint = f"{error}; the runtime tries again"
        return _failed(config, CniError(TRY_AGAIN, "the felixpy agent of this node does not answer", hint))


def _call(env: Mapping[str, str], message: bytes, path: Path, patience_s: float) -> tuple[int, bytes]:
    lent = list(_lent(env.get("CNI_NETNS", "")))
    try:
        with _connected(path, patience_s) as agent:
            sent = socket.send_fds(agent, [message], lent) if lent else agent.send(message)
            if sent < len(message):  # an empty send would fail once the agent has answered and gone
                agent.sendall(message[sent:])
            return _obey(agent)
    except OSError as error:
        raise Away(f"{path}: {error.strerror or error}") from error
    finally:
        for descriptor in lent:
            os.close(descriptor)


def _connected(path: Path, patience_s: float) -> socket.socket:
    """A connection to the agent, waiting for one that is just being restarted."""
    deadline = time.monotonic() + patience_s
    while True:
        agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            agent.settimeout(ANSWER_S)
            with short_address(path) as address:
                agent.connect(address)
        except OSError:
            agent.close()
            if time.monotonic() + RETRY_S >= deadline:
                raise
            time.sleep(RETRY_S)
        else:
            return agent


def _lent(netns: str) -> Iterator[int]:
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
    yield socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0).detach()


def _enter(namespace: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0x40000000):  # CLONE_NEWNET
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _obey(agent: socket.socket) -> tuple[int, bytes]:
    """Write what the agent wants written until it says with which code and words to end."""
    reader = agent.makefile("rb")
    for line in reader:
        word, _, rest = line.decode(errors="replace").rstrip("\n").partition(" ")
        if word == "write":
            agent.sendall(_write(*rest.partition(" ")[::2]))
        elif word == "exit":
            code, _, size = rest.partition(" ")
            output = reader.read(int(size))
            if len(output) == int(size):
                return int(code), output
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


def _leave_tombstone(env: Mapping[str, str], message: bytes, state_dir: Path) -> tuple[int, bytes]:
    """Leave word for the agent that this container is gone; the runtime is told that all is well."""
    container, interface = env.get("CNI_CONTAINERID", ""), env.get("CNI_IFNAME", "")
    if not container or not interface or "/" in container + interface or container.startswith("."):
        fault = CniError(
            INVALID_ENVIRONMENT, "CNI_CONTAINERID or CNI_IFNAME is missing or not valid", "DEL needs both"
        )
        return _failed(b"", fault)
    folder = state_dir / "cni" / "tombstones"
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


def _failed(config: bytes, error: CniError) -> tuple[int, bytes]:
    return 1, json.dumps(document(_version(config), error)).encode() + b"\n"


def _version(config: bytes) -> str:
    try:
        version = json.loads(config)["cniVersion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return wire.VERSIONS[-1]
    return version if version in wire.VERSIONS else wire.VERSIONS[-1]
