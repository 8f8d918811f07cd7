"""Every field of a containerlab node, sorted by what a lab without containers does with it. Pure."""

HONOURED = frozenset({
    "kind", "image", "group", "exec", "env", "env-files", "binds", "startup-config", "startup-delay", "sysctls",
    "labels", "cmd",
})  # fmt: skip

# What only a container runtime, or the way in over a management network, needs: the lab is the same without it.
HARMLESS = frozenset({
    "aliases", "auto-remove", "cap-add", "certificate", "cgroup-parent", "cgroupns-mode", "config", "cpu",
    "cpu-set", "credentials", "devices", "dns", "enforce-startup-config", "extras", "healthcheck", "hostname",
    "image-pull-policy", "license", "link-apply-mode", "memory", "mgmt-ipv4", "mgmt-ipv6", "mgmt_ipv4",
    "mgmt_ipv6", "pid-mode", "ports", "position", "privileged", "publish", "restart-policy", "runtime",
    "security-opts", "shm-size", "suppress-startup-config", "tmpfs", "type", "user", "volumes",
})  # fmt: skip

# What changes how the lab behaves and has no meaning here.
REFUSED = {
    "entrypoint": "programs come from the image name; name one with `cmd`, or with the label felixpy.lab/run",
    "network-mode": "every node has a network namespace of its own here; leave it out",
    "stages": "nodes start together here; use startup-delay or exec",
    "components": "a node is one namespace here, not several containers; leave it out",
}

TOP = frozenset({"name", "prefix", "topology", "mgmt", "settings", "debug"})
TOPOLOGY = frozenset({"defaults", "kinds", "groups", "nodes", "links"})
KINDS = ("linux", "bridge")
IDLE_COMMANDS = (
    "sh",
    "ash",
    "bash",
    "/bin/sh",
    "/bin/bash",
    "/bin/ash",
    "sleep",
    "tail",
)  # they only keep a container up
