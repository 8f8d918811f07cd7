"""The CNI configuration that makes a runtime call felixpy, and what else lies in its folder. Pure.

CNI specification 1.1.0, section 1: a runtime takes the first file by name, so ours begins with 05.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FILE_NAME = "05-felixpy.conflist"
PLUGIN = "felixpy"  # its `type`, and the name of the program
SUFFIXES = (".conf", ".conflist", ".json")  # what runtimes read (libcni ConfFiles)
CAPABILITIES = {"portmap": "portMappings", "bandwidth": "bandwidth"}  # of plugins that may be chained after us
HARMLESS = {"loopback"}  # no network


@dataclass(frozen=True, slots=True)
class Network:
    """What is configured: the network's name, the specification's version, the plugins chained after ours."""

    name: str = "k8s-pod-network"  # Calico's: pods keep their handles when a cluster moves over
    version: str = "1.0.0"  # what the runtimes and plugins of distributions speak; 1.1.0 adds STATUS and GC
    chain: Sequence[str] = ()


def conflist(network: Network) -> bytes:
    """The file's content."""
    chained = [{"type": plugin, "capabilities": {CAPABILITIES[plugin]: True}} for plugin in network.chain]
    plugins = [{"type": PLUGIN}, *chained]
    document = {"cniVersion": network.version, "name": network.name, "plugins": plugins}
    return json.dumps(document, indent=2).encode() + b"\n"


def is_ours(content: bytes) -> bool:
    """Whether a configuration calls our plugin."""
    return PLUGIN in types(content)


def types(content: bytes) -> list[str]:
    """The plugins that a configuration calls, in order; none when it cannot be read."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, dict):
        return []
    plugins = document.get("plugins", [document])
    found = (
        [plugin.get("type") for plugin in plugins if isinstance(plugin, dict)] if isinstance(plugins, list) else []
    )
    return [name for name in found if isinstance(name, str)]


def others(folder: Mapping[str, bytes]) -> list[str]:
    """The other networks' configurations among the files of a folder, each as `NAME (type TYPE)`."""
    found = []
    for name, content in sorted(folder.items()):
        called = types(content)
        if name.endswith(SUFFIXES) and name != FILE_NAME and called and not HARMLESS.issuperset(called):
            found.append(f"{name} (type {called[0]})")
    return found
