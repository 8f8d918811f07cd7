"""What Calico refuses in a resource beyond the types of its fields, and the defaults that depend on other fields.

Pure. `complete` works on the raw fields before they are decoded, `first_problem` on the decoded spec.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from felixpy.model.resources.bgp import BGPConfiguration, BGPPeer
from felixpy.model.resources.ipam import BlockAffinity, IPPool
from felixpy.model.resources.kinds import Spec
from felixpy.model.resources.node import Node
from felixpy.model.resources.problem import Problem

Rule = Callable[[Any, str, Collection[str]], Iterator[Problem]]

RULES: Mapping[type[Spec], Rule] = {}

AS_FIELDS: Mapping[type[Spec], tuple[str, ...]] = {
    BGPConfiguration: ("asNumber",),
    BGPPeer: ("asNumber", "localASNumber"),
    Node: ("bgp.asNumber",),
}


def first_problem(spec: Spec, name: str, given: Collection[str]) -> Problem | None:
    """What is wrong with `spec` of the object `name`; `given` are the fields that its author wrote."""
    rule = RULES.get(type(spec))
    return next(rule(spec, name, given), None) if rule else None


def complete(kind: type[Spec], raw: dict[str, Any], strict: bool) -> Problem | None:
    """Put into `raw` what depends on other fields or has a second spelling; the problem that this met, if any."""
    for path in AS_FIELDS.get(kind, ()):
        *parents, field = path.split(".")
        holder = raw.get(parents[0]) if parents else raw
        if isinstance(holder, dict) and holder.get(field) in (0, "0") and holder.get(field) is not False:
            if strict:
                return Problem(path, "AS 0 is reserved (RFC 7607): leave the field out to use the default")
            del holder[field]
    if kind is IPPool and not raw.get("blockSize"):
        raw["blockSize"] = 122 if ":" in str(raw.get("cidr")) else 26
    if kind is BlockAffinity and isinstance(raw.get("deleted"), str):
        if raw["deleted"] not in ("true", "false", ""):
            return Problem("deleted", "must be true or false")
        raw["deleted"] = raw["deleted"] == "true"
    return None
