"""The nodes of a topology: inheritance as containerlab does it, every field checked. Pure.

A node's own field wins over its group's, that over its kind's, that over `defaults`; mappings and lists are merged.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from felixpy.lab import fields
from felixpy.lab.images import LABEL, Program, program_of
from felixpy.lab.located import At
from felixpy.lab.problems import Problems

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
MERGED_MAPS = ("env", "labels", "sysctls")
MERGED_LISTS = ("exec", "binds", "env-files")
ROUTER_FOLDERS = ("/etc/frr", "/etc/bird", "/etc/gobgp", "/etc/quagga")
SYSCTL = re.compile(r"net\.[a-zA-Z0-9._/-]+")


@dataclass(frozen=True, slots=True)
class Bind:
    """One `source:target[:options]`; the source is as written, `options` such as `ro`."""

    source: str
    target: str
    read_only: bool
    line: int


@dataclass(frozen=True, slots=True)
class Node:
    """One node, everything inherited already in it."""

    name: str
    kind: str
    line: int
    image: str = ""
    program: Program = Program.PLAIN
    group: str = ""
    exec: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    startup_config: str = ""
    startup_delay: float = 0.0  # seconds
    sysctls: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    cmd: str = ""


def nodes(body: At, problems: Problems) -> dict[str, Node]:
    """Every node by name; what is wrong goes into `problems`."""
    listed = body.get("nodes")
    if listed is None or not isinstance(listed.value, dict):
        return {}
    _check_templates(body, problems)
    found = {}
    for name, own in listed.value.items():
        if not NAME.fullmatch(name):
            problems.add(own.line, name, "a node's name must be letters, digits, '.', '_' and '-'")
            continue
        if own.value is not None:
            _check_fields(own, name, problems)
        found[name] = _node(name, At(own.value or {}, own.line), body, problems)
    return found


def _check_templates(body: At, problems: Problems) -> None:
    if defaults := body.get("defaults"):
        _check_fields(defaults, "", problems, "defaults")
    for part in ("kinds", "groups"):
        holder = body.get(part)
        for name, template in holder.value.items() if holder and isinstance(holder.value, dict) else ():
            if template.value is not None:
                _check_fields(template, "", problems, f"{part}.{name}")


def _check_fields(mapping: At, node: str, problems: Problems, where: str = "") -> None:
    problems.unknown(mapping, fields.HONOURED | fields.HARMLESS | set(fields.REFUSED), where, node)
    if not isinstance(mapping.value, dict):
        return
    for key, value in mapping.value.items():
        if key in fields.REFUSED:
            problems.add(
                value.line, node, f"{where + '.' if where else ''}{key}: not supported: {fields.REFUSED[key]}"
            )
        elif key in fields.HARMLESS:
            problems.harmless(key, node or where)


def _node(name: str, own: At, body: At, problems: Problems) -> Node:
    levels = _levels(own, body, name, problems)
    flat = _merge(levels)
    line = own.line
    kind = flat.get("kind")
    if kind is None:
        problems.add(line, name, "kind: needed; this lab knows linux and bridge")
    elif kind.value not in fields.KINDS:
        problems.add(kind.line, name, f"kind: {kind.value!r} is not supported; this lab knows linux and bridge")
    values = _Values(name, problems, flat)
    labels, image = values.texts("labels"), values.text("image")
    if kind and kind.value == "linux" and not image:
        problems.add(line, name, "image: needed for kind linux (any name: frr, bird and felixpy images run those)")
    node = Node(
        name, str(kind.value) if kind else "linux", line, image,
        program=_program(image, labels, flat.get("image") or own, values),
        group=values.text("group"), exec=tuple(values.listed("exec")), env=values.texts("env"),
        env_files=tuple(values.listed("env-files")), binds=tuple(_binds(flat.get("binds"), values)),
        startup_config=values.text("startup-config"), startup_delay=values.seconds("startup-delay"),
        sysctls=_sysctls(flat.get("sysctls"), values), labels=labels, cmd=values.text("cmd"),
    )  # fmt: skip
    _check_configured(node, flat.get("image") or own, values)
    return node


def _check_configured(node: Node, at: At, values: "_Values") -> None:
    """A plain host with a router's configuration is a misspelt image: it would come up and route nothing."""
    if node.program is not Program.PLAIN or LABEL in node.labels or not node.image:
        return
    bound = next((bind.target for bind in node.binds if bind.target.startswith(ROUTER_FOLDERS)), "")
    if bound or node.startup_config:
        what = f"{bound} is bound" if bound else "startup-config is given"
        reason = f"{what}, but nothing here stands in for image {node.image!r}"
        values.refuse(at.line, f"image: {reason}; name a frr, bird or gobgp image, or the label {LABEL}")


def _levels(own: At, body: At, name: str, problems: Problems) -> list[At]:
    """What a node inherits from, weakest first."""
    defaults = body.get("defaults")
    group = own.get("group") or (defaults.get("group") if defaults else None)
    template = _template(body, "groups", group)
    if group and body.get("groups") and template is None:
        # A group that is only a label for graphs is containerlab's older use, and still allowed.
        problems.harmless(f"group {group.value!r} as a plain label", name)
    kind = own.get("kind") or (template.get("kind") if template else None)
    kind = kind or (defaults.get("kind") if defaults else None)
    return [level for level in (defaults, _template(body, "kinds", kind), template, own) if level is not None]


def _template(body: At, part: str, named: At | None) -> At | None:
    holder = body.get(part)
    return holder.get(str(named.value)) if holder and named else None


def _merge(levels: list[At]) -> dict[str, At]:
    flat: dict[str, At] = {}
    for level in levels:
        for key, value in level.value.items() if isinstance(level.value, dict) else ():
            before = flat.get(key)
            if value.value is None:
                continue
            if before and key in MERGED_MAPS and isinstance(value.value, dict) and isinstance(before.value, dict):
                flat[key] = At({**before.value, **value.value}, value.line)
            elif before and key in MERGED_LISTS and isinstance(value.value, list) and isinstance(before.value, list):
                flat[key] = At([*before.value, *value.value], value.line)
            else:
                flat[key] = value
    return flat


def _program(image: str, labels: dict[str, str], at: At, values: "_Values") -> Program:
    try:
        program = program_of(image, labels)
    except ValueError:
        values.refuse(at.line, f"labels.{LABEL}: {labels[LABEL]!r} is not one of {', '.join(Program)}")
        return Program.PLAIN
    if program is None:
        values.refuse(
            at.line, f"image: {image!r} is a router that this lab has no program for; frr, bird and gobgp images work"
        )
    return program or Program.PLAIN


def _binds(listed: At | None, values: "_Values") -> list[Bind]:
    values.listed("binds")  # refused there when it is no list of texts
    found: dict[str, Bind] = {}  # by target: the nearer level wins
    for entry in listed.value if listed and isinstance(listed.value, list) else ():
        parts = str(entry.value).split(":")
        if len(parts) not in (2, 3) or not parts[0] or not parts[1].startswith("/"):
            values.refuse(entry.line, f"binds: {entry.value!r} must be source:/target or source:/target:ro")
            continue
        options = parts[2].split(",") if len(parts) == 3 else []
        found[parts[1]] = Bind(parts[0], parts[1], "ro" in options, entry.line)
    return list(found.values())


def _sysctls(mapping: At | None, values: "_Values") -> dict[str, str]:
    for key, entry in mapping.value.items() if mapping and isinstance(mapping.value, dict) else ():
        if not SYSCTL.fullmatch(key):
            values.refuse(entry.line, f"sysctls.{key}: only net.* belongs to a network namespace")
    return values.texts("sysctls")


class _Values:
    """Typed access to a node's fields; a value of the wrong type is refused with its line."""

    def __init__(self, node: str, problems: Problems, flat: dict[str, At]) -> None:
        self.node, self.problems, self.flat = node, problems, flat

    def refuse(self, line: int, reason: str) -> None:
        self.problems.add(line, self.node, reason)

    def text(self, key: str) -> str:
        found = self.flat.get(key)
        if found is None:
            return ""
        if isinstance(found.value, dict | list):
            self.refuse(found.line, f"{key}: text is needed")
            return ""
        return _text(found.value)

    def listed(self, key: str) -> list[str]:
        found = self.flat.get(key)
        if found is None:
            return []
        if not isinstance(found.value, list) or any(isinstance(e.value, dict | list) for e in found.value):
            self.refuse(found.line, f"{key}: a list of texts is needed")
            return []
        return [_text(entry.value) for entry in found.value]

    def texts(self, key: str) -> dict[str, str]:
        found = self.flat.get(key)
        if found is None:
            return {}
        if not isinstance(found.value, dict) or any(isinstance(e.value, dict | list) for e in found.value.values()):
            self.refuse(found.line, f"{key}: a mapping of texts is needed")
            return {}
        return {name: _text(entry.value) for name, entry in found.value.items()}

    def seconds(self, key: str) -> float:
        found = self.flat.get(key)
        if found is None:
            return 0.0
        if not isinstance(found.value, int) or isinstance(found.value, bool) or not 0 <= found.value <= 3600:
            self.refuse(found.line, f"{key}: seconds between 0 and 3600 are needed")
            return 0.0
        return float(found.value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
