"""What each kind of node runs, with which arguments, waiting for what. Pure.

FRR's daemons are started one by one, as its own `frrinit` would, but at once and in the foreground; each is given its
part of the integrated `frr.conf` by vtysh as soon as it listens, also when it was started again after a crash.
"""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from felixpy.lab.fields import IDLE_COMMANDS
from felixpy.lab.images import Program
from felixpy.lab.nodes import Node

FRR = "/usr/lib/frr"
FRR_DAEMONS = "/etc/frr/daemons"
FRR_CONF = "/etc/frr/frr.conf"
BIRD_CONF = "/etc/bird/bird.conf"
GOBGP_CONF = "/etc/gobgp/gobgp.conf"
STORE = "/var/lib/felixpy/store"
ASSIGNMENT = re.compile(r"""^\s*([a-z0-9_]+)=(?:"([^"]*)"|'([^']*)'|(\S*))""")
ALWAYS = ("zebra", "staticd")  # frrcommon.sh starts these two whatever the file says
FRR_FOLDERS = ("/etc/frr", "/run/frr", "/var/log/frr", "/var/tmp/frr")  # noqa: S108 - the node's own, see rootfs.py
# Without root there is one user: FRR's daemons find themselves under the names they insist on.
ONE_USER = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nfrr:x:0:0:frr:/nonexistent:/bin/false\n",
    "/etc/group": "root:x:0:\nfrr:x:0:\nfrrvty:x:0:root,frr\n",
}
DEFAULT_DAEMONS = "bgpd=yes\n"  # a router without a daemons file still speaks BGP here
DEFAULT_OPTIONS = {"zebra": "-A 127.0.0.1 -s 90000000"}


@dataclass(frozen=True, slots=True)
class Furniture:
    """What a node's file system has besides the host's, and what runs in it."""

    programs: tuple[dict[str, Any], ...] = ()
    folders: dict[str, str] = field(default_factory=dict)  # path -> owner
    files: dict[str, str] = field(default_factory=dict)  # path -> text
    sysctls: dict[str, str] = field(default_factory=dict)


def furniture(node: Node, texts: Mapping[str, str], *, rootless: bool) -> Furniture:
    """Programs, folders and files of a node; `texts` holds its bound configuration files by their place in it."""
    start = startup_text(node, texts)
    files = {CONFIG_OF[node.program]: start} if start and node.program in CONFIG_OF else {}
    sysctls = EVERYWHERE | BY_PROGRAM[node.program]
    if node.program is Program.FRR:
        daemons = texts.get(FRR_DAEMONS, DEFAULT_DAEMONS)
        configured = FRR_CONF in texts or bool(start)
        files |= {FRR_DAEMONS: daemons, "/etc/frr/vtysh.conf": "service integrated-vtysh-config\n"}
        folders = dict.fromkeys(FRR_FOLDERS, "root" if rootless else "frr")
        if rootless:
            files |= ONE_USER
        programs = _frr(daemons, configured=configured)
        return Furniture(programs, folders, files, sysctls | node.sysctls)
    folders = dict.fromkeys(FOLDERS.get(node.program, ()), "root")
    return Furniture(_others(node, texts), folders, files, sysctls | node.sysctls)


EVERYWHERE = {
    "net.ipv4.ip_forward": "1",  # as in a container
    "net.ipv6.conf.default.accept_dad": "0",  # an address is usable at once
    # A new namespace inherits the host's: 0 here so that labs are alike on every machine. Of several equal paths an
    # answer may come back on another one.
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
}
ROUTER_SYSCTLS = {"net.ipv6.conf.all.forwarding": "1"}
BY_PROGRAM: dict[Program, dict[str, str]] = {
    Program.FELIXPY: {},  # the agent sets its own
    Program.FRR: ROUTER_SYSCTLS,
    Program.BIRD: ROUTER_SYSCTLS,
    Program.GOBGP: ROUTER_SYSCTLS,
    Program.PLAIN: {},
}
CONFIG_OF = {Program.FRR: FRR_CONF, Program.BIRD: BIRD_CONF, Program.GOBGP: GOBGP_CONF}
FOLDERS = {Program.BIRD: ("/etc/bird", "/run/bird"), Program.GOBGP: ("/etc/gobgp",)}


def startup_text(node: Node, texts: Mapping[str, str]) -> str:
    """The text of `startup-config`: itself when it has several lines, else of the file that it names."""
    return node.startup_config if "\n" in node.startup_config else texts.get("startup-config", "")


def frr_daemons(text: str) -> dict[str, list[str]]:
    """The daemons that a `daemons` file asks for, with their options (tools/etc/frr/daemons of FRR)."""
    values = {}
    for line in text.splitlines():
        if found := ASSIGNMENT.match(line):
            values[found[1]] = next((part for part in found.groups()[1:] if part is not None), "")
    wanted = [*ALWAYS, *(name for name, value in values.items() if name.endswith("d") and value in ("yes", "1"))]
    profile = ["-F", values["frr_profile"]] if values.get("frr_profile") else []
    return {name: [*profile, *_options(values, name)] for name in dict.fromkeys(wanted)}


def _options(values: Mapping[str, str], name: str) -> list[str]:
    """A daemon's options but for the one that would put it into the background, out of our sight."""
    given = shlex.split(values.get(f"{name}_options", DEFAULT_OPTIONS.get(name, "-A 127.0.0.1")))
    return [option for option in given if option not in ("-d", "--daemon")]


def _frr(daemons: str, *, configured: bool) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "name": name,
            "argv": [f"{FRR}/{name}", *options],
            "then": ["vtysh", "-b", "-d", name] if configured else [],
            "until": f"/run/frr/{name}.vty",
        }
        for name, options in frr_daemons(daemons).items()
    )


def _others(node: Node, texts: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    if node.program is Program.FELIXPY:
        run = [sys.executable, "-m"]
        names = ("felixpy", "birdpy")
        return tuple({"name": name, "argv": [*run, name, "run", "--node", node.name]} for name in names)
    if node.program is Program.BIRD:
        config = _bound(texts, "bird.conf", BIRD_CONF)
        return ({"name": "bird", "argv": ["bird", "-f", "-c", config, "-s", "/run/bird/bird.ctl"]},)
    if node.program is Program.GOBGP:
        config = _bound(texts, "", GOBGP_CONF)
        kind = config.rpartition(".")[2] if config.endswith((".yaml", ".yml", ".json")) else "toml"
        kind = "yaml" if kind == "yml" else kind
        return ({"name": "gobgpd", "argv": ["gobgpd", "-f", config, "-t", kind]},)
    argv = command(node)
    return ({"name": "cmd", "argv": argv},) if argv else ()


def command(node: Node) -> list[str]:
    """A plain node's `cmd`; empty when it would only keep a container alive."""
    argv = shlex.split(node.cmd)
    return [] if not argv or argv[0] in IDLE_COMMANDS else argv


def _bound(texts: Mapping[str, str], ending: str, default: str) -> str:
    """The bound configuration file of a program whose images disagree on its place."""
    endings = (ending,) if ending else (".conf", ".toml", ".yml", ".yaml", ".json")
    return next((path for path in sorted(texts) if path.startswith("/") and path.endswith(endings)), default)
