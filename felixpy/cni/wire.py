"""What the plugin (shim.c or its Python twin) and the agent say to each other on `cni.sock`. Pure.

The plugin sends `felixpy-cni 1 <env bytes> <config bytes>\\n`, its CNI_* environment as `KEY=VALUE\\0…`, then its
stdin as it came; beside the first byte, as SCM_RIGHTS, the pod's network namespace and a NETLINK_ROUTE socket
opened in it, when there is such a namespace. The agent answers with lines: any number of `write PATH VALUE\\n` (a
setting below /proc/sys/net of the pod's namespace, answered with `done\\n` or `failed ERRNO\\n`), then
`exit CODE BYTES\\n` and so many bytes for stdout. Nothing here needs JSON, so that C can speak it.
"""

from felixpy.model.errors import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:  # the twin waits for every import
    from collections.abc import Mapping

GREETING = b"felixpy-cni 1"
MAX_HEAD = 128
MAX_ENV = 64 * 1024
MAX_CONFIG = 1024 * 1024
PREFIX = "CNI_"
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")  # of the CNI specification
SETTINGS = "net/"  # below /proc/sys; the plugin writes nothing else


class Garbled(Trouble):
    """What came is not this protocol: the connection is closed, nothing else happens."""


def request(env: "Mapping[str, str]", config: bytes) -> bytes:
    """The plugin's message; only CNI_* variables go."""
    pairs = b"".join(
        f"{key}={value}".encode(errors="surrogateescape") + b"\0"
        for key, value in env.items()
        if key.startswith(PREFIX)
    )
    return b"%s %d %d\n%s%s" % (GREETING, len(pairs), len(config), pairs, config)


def sizes(head: bytes) -> tuple[int, int]:
    """How many bytes of environment and of config follow the first line; Garbled when it is not one of ours."""
    try:
        greeting, env, config = head.rstrip(b"\n").rsplit(b" ", 2)
        lengths = int(env), int(config)
    except ValueError:
        raise Garbled("the first line is no greeting of a felixpy plugin") from None
    if greeting != GREETING:
        raise Garbled(
            f"the plugin speaks {greeting[:32]!r}, this agent {GREETING!r}: install the same version of both"
        )
    if not (0 <= lengths[0] <= MAX_ENV and 0 <= lengths[1] <= MAX_CONFIG):
        raise Garbled(f"the plugin announces {lengths[0]} and {lengths[1]} bytes: too many")
    return lengths


def environment(pairs: bytes) -> dict[str, str]:
    """The plugin's CNI_* variables."""
    texts = (pair.decode(errors="replace").partition("=") for pair in pairs.split(b"\0") if pair)
    return {key: value for key, _, value in texts}


def parse(message: bytes) -> tuple[dict[str, str], bytes]:
    """Environment and config of a whole message, such as a tombstone holds."""
    head, _, rest = message.partition(b"\n")
    env, config = sizes(head)
    if len(rest) != env + config:
        raise Garbled(f"{len(rest)} bytes follow the first line, which announces {env + config}")
    return environment(rest[:env]), rest[env:]


def write_line(path: str, value: str) -> bytes:
    """The order to write one setting of the pod's namespace."""
    return f"write {path} {value}\n".encode()


def exit_line(code: int, output: bytes) -> bytes:
    """The last word: the plugin's exit code and what it prints."""
    return b"exit %d %d\n%s" % (code, len(output), output)


def safe_setting(path: str) -> bool:
    """Whether a plugin may write this path: below /proc/sys/net, and no way out of it."""
    return path.startswith(SETTINGS) and ".." not in path.split("/") and "\0" not in path
