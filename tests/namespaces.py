"""Network namespaces for tests: the fixture `netns`, and further namespaces for what the test talks to.

    def test_something(netns: Namespace) -> None:   # the test itself runs inside a new, empty namespace
        netns.run("ip", "link", "add", "a", "type", "veth", "peer", "name", "b")
        pod = netns.another()                       # one more, held by a descriptor: `pod.fd`
        pod.run("ip", "addr", "show")               # a program in it
        sock = pod.socket()                         # a NETLINK_ROUTE socket opened in it

Import the fixture into the conftest.py of your folder: `from tests.namespaces import netns` (with `__all__`).
The test's own thread moves, so everything it starts (programs, threads, sockets, /proc/sys) is inside; the thread
comes back when the test ends, however it ends. Namespaces have no names and vanish with their last descriptor.
Without root the test is skipped with that reason. Nothing is ever done to the namespace that pytest was started in.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _own() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _in_thread(work: Callable[[], T]) -> T:
    """The result of `work`, done in a thread of its own, which may change its namespace and then ends."""
    answers: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
    return answers[0]


@dataclass(slots=True)
class Namespace:
    """A network namespace, held by a descriptor; its loopback is up."""

    fd: int
    others: "list[Namespace]" = field(default_factory=list)

    @classmethod
    def new(cls) -> "Namespace":
        """A new one, while the caller stays where it is."""

        def make() -> int:
            _check(LIBC.unshare(CLONE_NEWNET), "unshare")
            return _own()

        made = cls(_in_thread(make))
        made.run("ip", "link", "set", "lo", "up")
        return made

    def another(self) -> "Namespace":
        """One more, closed together with this one."""
        self.others.append(Namespace.new())
        return self.others[-1]

    def inside(self, work: Callable[[], T]) -> T:
        """The result of `work`, done in a thread inside this namespace."""

        def there() -> T:
            _check(LIBC.setns(self.fd, CLONE_NEWNET), "setns")
            return work()

        return _in_thread(there)

    def socket(self) -> socket.socket:
        """A NETLINK_ROUTE socket opened in here."""
        return self.inside(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0))

    def run(self, *command: str, check: bool = True, given: str | None = None) -> str:
        """What a program prints that runs in here; CalledProcessError (with its stderr in a note) when it fails."""
        enter = ("nsenter", f"--net=/proc/self/fd/{self.fd}", "--", *command)
        done = subprocess.run(
            enter, check=False, pass_fds=(self.fd,), text=True, capture_output=True, input=given, timeout=60
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """A program left running in here; the caller ends it."""
        enter = ("nsenter", f"--net=/proc/self/fd/{self.fd}", "--", *command)
        return subprocess.Popen(enter, pass_fds=(self.fd,), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def close(self) -> None:
        """Let go of it and of those made from it."""
        for other in self.others:
            other.close()
        os.close(self.fd)


def in_new_namespace() -> Iterator[Namespace]:
    """Move the calling thread into a new namespace, and back at the end."""
    home = _own()
    made = Namespace.new()
    try:
        _check(LIBC.setns(made.fd, CLONE_NEWNET), "setns")
        assert Path("/proc/thread-self/ns/net").readlink() != Path(f"/proc/self/fd/{home}").readlink()
        yield made
    finally:
        _check(LIBC.setns(home, CLONE_NEWNET), "setns")
        os.close(home)
        made.close()


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """The test runs inside a new network namespace; see the top of tests/namespaces.py."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes network namespaces")
    yield from in_new_namespace()
