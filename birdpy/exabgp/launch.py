"""The program that becomes ExaBGP: `python -I -S launch.py`, started by exabgp/process.

In this order: die when birdpy dies; fork the bridge, while this process is still small; import ExaBGP, which takes
0.15 s, so that birdpy can start it before it knows what to configure; wait for the word to go; give up every right
but binding to a low port; change ExaBGP as exabgp/patches says; run it.

The word to go is one JSON line on standard input: `{"folder": ..., "bind": "10.0.0.1 fd00::1", "port": 179}`.
"""

import ctypes
import json
import os
import signal
import struct
import sys

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 15, 8, 24, 38
CAP_NET_BIND_SERVICE, CAP_LAST = 10, 63
CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3

_libc = ctypes.CDLL(None, use_errno=True)

ENVIRONMENT = {
    "exabgp_daemon_user": "root",  # rights are given up here, not by ExaBGP, which would keep root's groups
    "exabgp_daemon_drop": "false",
    "exabgp_daemon_daemonize": "false",
    "exabgp_log_level": "ERROR",  # its warnings are one pair of lines for each refused connection
    "exabgp_log_statistics": "false",
    "exabgp_log_destination": "stderr",
    "exabgp_log_short": "true",
    "exabgp_api_cli": "false",
    "exabgp_api_ack": "true",
    "exabgp_api_respawn": "false",
    "exabgp_api_terminate": "false",
}


def die_with(parent: int) -> None:
    """SIGKILL for this process when `parent` dies, also when it has done so already."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def give_up_rights(uid: int, *, may_bind: bool) -> None:
    """Become `uid` with no capability but, if `may_bind` and held, CAP_NET_BIND_SERVICE; nothing when not root.

    `uid` 0 stays root without its capabilities: where no other uid can be had, see exabgp/rights.
    """
    if os.geteuid() != 0:
        return
    with open("/proc/self/status") as file:  # noqa: PTH123 - pathlib would cost the bridge half a megabyte
        permitted = next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))
    kept = permitted & (1 << CAP_NET_BIND_SERVICE) if may_bind else 0
    for capability in range(CAP_LAST + 1):
        if not kept >> capability & 1:
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    if uid != 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    if _libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def fork_bridge(birdpy: int, uid: int) -> tuple[int, int, int]:
    """The bridge's pid, and the descriptors on which ExaBGP writes to it and reads from it."""
    from birdpy.exabgp import bridge

    exabgp_out, to_bridge = os.pipe()
    from_bridge, exabgp_in = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(to_bridge)
        os.close(from_bridge)
        give_up_rights(uid, may_bind=False)
        die_with(parent)
        _libc.prctl(PR_SET_NAME, b"birdpy-bridge", 0, 0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        bridge.run(exabgp_out, exabgp_in, birdpy)
        os._exit(0)
    for descriptor in (exabgp_out, exabgp_in, birdpy):
        os.close(descriptor)
    return pid, to_bridge, from_bridge


def main() -> int:
    """Arguments: birdpy's pid, its end of the socket, the uid to become, then folders to import from."""
    parent, birdpy, uid, *folders = sys.argv[1:]
    die_with(int(parent))
    os.set_blocking(2, False)  # a log that nobody reads is lost, and holds nothing up
    sys.path += folders
    bridge = fork_bridge(int(birdpy), int(uid))
    os.environ.update(ENVIRONMENT)
    from birdpy.exabgp import patches

    patches.load()
    if not (line := sys.stdin.readline()):
        return 0
    order = json.loads(line)
    folder = os.open(order["folder"], os.O_RDONLY | os.O_DIRECTORY)
    give_up_rights(int(uid), may_bind=True)
    die_with(int(parent))  # the change of credentials has cleared it
    _libc.prctl(PR_SET_NAME, b"exabgp", 0, 0, 0)
    return patches.run(patches.Order(folder, order["bind"], order["port"], bridge))


if __name__ == "__main__":
    sys.exit(main())
