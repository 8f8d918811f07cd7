"""Real BGP speakers for tests: BIRD, FRR, GoBGP, and one made of a socket for messages that no real one sends.

    with network("10.0.0.1/32", "10.0.0.2/32", "fd00::1/128"):        # a fresh network namespace, all on its loopback
        with bird(tmp_path, BIRD_CONFIG) as peer:
            ...
            assert peer.route("10.65.0.0/26")

`network` moves the calling thread into the namespace, so that what it starts and opens lives there, and back at the
end; it needs root (`needs_root` skips with the reason). Every helper ends what it started, also when the test fails.
"""

import contextlib
import ctypes
import json
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
CLONE_NEWNET = 0x40000000

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes a network namespace")


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip, with the reason, where one of `programs` is not installed."""
    missing = [p for p in programs if shutil.which(p) is None and not Path("/usr/lib/frr", p).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def eventually(claim: Callable[[], T], within_s: float = 30.0, every_s: float = 0.05) -> T:
    """The first true value of `claim`; AssertionError with the last one when it stays false."""
    end = time.monotonic() + within_s
    while True:
        value = claim()
        if value:
            return value
        assert time.monotonic() < end, f"still {value!r} after {within_s} s"
        time.sleep(every_s)


@contextlib.contextmanager
def network(*addresses: str) -> Iterator[None]:
    """This thread in a network namespace of its own, whose loopback holds `addresses`."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for address in addresses:
            options = ["nodad"] if ":" in address else []
            subprocess.run(["ip", "address", "add", address, "dev", "lo", *options], check=True)
        yield
    finally:
        libc.setns(before, CLONE_NEWNET)
        os.close(before)


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`command` in the foreground, its output in `log`; killed at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@dataclass
class Bird:
    """A running BIRD 2."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    def ask(self, *words: str) -> str:
        """What `birdc WORDS` prints."""
        control = str(self.folder / "bird.ctl")
        done = subprocess.run(
            ["birdc", "-s", control, *words], capture_output=True, text=True, timeout=10, check=False
        )
        return done.stdout

    def route(self, prefix: str) -> str:
        """All that BIRD knows of `prefix` by BGP; empty when it has no such route."""
        text = self.ask("show", "route", prefix, "all")
        return text if "BGP.origin" in text else ""

    def is_up(self, protocol: str) -> bool:
        """Whether session `protocol` is established."""
        return "Established" in self.ask("show", "protocols", "all", protocol)


@contextlib.contextmanager
def bird(folder: Path, config: str) -> Iterator[Bird]:
    """BIRD with `config`; its files are in `folder`."""
    folder.mkdir(exist_ok=True)
    path, control = folder / "bird.conf", folder / "bird.ctl"
    path.write_text(config)
    command = ["bird", "-f", "-c", str(path), "-s", str(control), "-P", str(folder / "bird.pid")]
    with running(command, folder / "bird.log") as process:
        speaker = Bird(folder, process)
        eventually(lambda: "Daemon is up" in speaker.ask("show", "status"))
        yield speaker


@dataclass
class Frr:
    """A running bgpd of FRR, without zebra."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    def ask(self, *commands: str) -> str:
        """What `vtysh -c COMMAND -c ...` prints."""
        each = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(
            ["vtysh", "--vty_socket", str(self.folder), "-d", "bgpd", *each],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
        return done.stdout

    def json(self, command: str) -> Any:
        """The JSON that `vtysh -c COMMAND` prints."""
        text = self.ask(command)
        return json.loads(text) if text.strip() else {}

    def is_up(self, peer: str) -> bool:
        """Whether the session with `peer` is established."""
        return bool(self.json(f"show bgp neighbors {peer} json").get(peer, {}).get("bgpState") == "Established")

    def route(self, prefix: str) -> list[dict[str, Any]]:
        """The paths to `prefix`."""
        family = "ipv6" if ":" in prefix else "ipv4"
        return list(self.json(f"show bgp {family} unicast {prefix} json").get("paths", []))


@contextlib.contextmanager
def frr(folder: Path, config: str, address: str, port: int = 179) -> Iterator[Frr]:
    """FRR's bgpd with `config`, listening at `address`."""
    folder.mkdir(exist_ok=True)
    path = folder / "bgpd.conf"
    path.write_text(config)
    command = [
        "/usr/lib/frr/bgpd", "-f", str(path), "-i", str(folder / "bgpd.pid"), "--vty_socket", str(folder),
        "-n", "-Z", "-S", "-l", address, "-p", str(port),
    ]  # fmt: skip
    with running(command, folder / "bgpd.log") as process:
        speaker = Frr(folder, process)
        eventually(lambda: "FRRouting" in speaker.ask("show version"))
        yield speaker


@dataclass
class GoBgp:
    """A running gobgpd."""

    api: str
    process: "subprocess.Popen[bytes]"

    def ask(self, *words: str) -> str:
        """What `gobgp WORDS` prints."""
        host, port = self.api.split(":")
        command = ["gobgp", "-u", host, "-p", port, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout

    def json(self, *words: str) -> Any:
        """The JSON that `gobgp -j WORDS` prints."""
        text = self.ask("-j", *words)
        said = json.loads(text) if text.strip() else {}
        return {} if isinstance(said, dict) and "error" in said else said

    def is_up(self, peer: str) -> bool:
        """Whether the session with `peer` is established (state 6)."""
        return any(
            each["state"].get("neighbor_address") == peer and each["state"].get("session_state") == 6
            for each in self.json("neighbor") or []
        )

    def route(self, prefix: str) -> list[dict[str, Any]]:
        """The paths to `prefix`."""
        family = "ipv6" if ":" in prefix else "ipv4"
        return list((self.json("global", "rib", "-a", family, prefix) or {}).get(prefix, []))


@contextlib.contextmanager
def gobgp(folder: Path, config: str, *options: str) -> Iterator[GoBgp]:
    """GoBGP with `config` (TOML)."""
    folder.mkdir(exist_ok=True)
    path, api = folder / "gobgpd.toml", "127.0.0.1:50051"
    path.write_text(config)
    command = ["gobgpd", "-f", str(path), "--api-hosts", api, "--pprof-disable", *options]
    with running(command, folder / "gobgpd.log") as process:
        speaker = GoBgp(api, process)
        eventually(lambda: speaker.json("global"))
        yield speaker


class RawSpeaker:
    """The passive end of one session, made of a socket: sends any bytes, well formed or not."""

    MARKER = b"\xff" * 16

    def __init__(self, connection: socket.socket, asn: int) -> None:
        self._connection, self._asn, self._data = connection, asn, b""
        self.received: list[tuple[int, bytes]] = []  # message type and body, oldest first

    def establish(self, router_id: str, capabilities: bytes = b"") -> None:
        """OPEN both ways, then KEEPALIVE both ways."""
        assert self.read()[0] == 1
        parameters = bytes([2, len(capabilities)]) + capabilities if capabilities else b""
        body = struct.pack("!BHH4sB", 4, self._asn, 90, socket.inet_aton(router_id), len(parameters)) + parameters
        self.send(1, body)
        self.send(4, b"")
        while self.read()[0] != 4:
            pass

    def send(self, kind: int, body: bytes) -> None:
        """One message."""
        self.send_bytes(self.MARKER + struct.pack("!HB", 19 + len(body), kind) + body)

    def send_bytes(self, data: bytes) -> None:
        """Anything at all."""
        self._connection.sendall(data)

    def update(self, attributes: bytes = b"", nlri: bytes = b"", withdrawn: bytes = b"") -> None:
        """One UPDATE of already encoded parts."""
        lengths = struct.pack("!H", len(withdrawn)) + withdrawn + struct.pack("!H", len(attributes)) + attributes
        self.send(2, lengths + nlri)

    def read(self, within_s: float = 5.0) -> tuple[int, bytes]:
        """The next message: type and body. ConnectionError at the end of the stream."""
        self._connection.settimeout(within_s)
        while len(self._data) < 19 or len(self._data) < struct.unpack("!H", self._data[16:18])[0]:
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError("the peer closed the session")
            self._data += data
        length, kind = struct.unpack("!HB", self._data[16:19])
        message = kind, self._data[19:length]
        self._data = self._data[length:]
        self.received.append(message)
        return message


@contextlib.contextmanager
def raw(address: str, port: int = 179) -> Iterator[socket.socket]:
    """A listening socket at `address`; `RawSpeaker(socket.accept()[0], asn)` is the session."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(5)
        listening.settimeout(10)
        yield listening


def attribute(code: int, value: bytes, flags: int = 0x40) -> bytes:
    """One encoded path attribute with a one-byte length."""
    return bytes([flags, code, len(value)]) + value
