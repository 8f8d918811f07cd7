"""BGPFilter here and in BIRD, rendered as Calico renders it, say the same of thousands of random routes.

BIRD holds one table per filter, filled with the same static routes through that filter; what is left in a table, and
with which attributes, is its answer. It runs in a network namespace of its own, without any protocol that touches a
kernel.
"""

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path as File

import pytest

from birdpy.policy.communities import parse_community
from birdpy.policy.filters import evaluate
from birdpy.rib.path import Attributes, Path
from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPFilter, BGPFilterRule
from felixpy.model.resources.bgp import AddCommunity, Communities, Operation, PrefixLength, PrependASPath, SetPriority
from tests.unit.birdpy.builders import attributes, external, path, session

FILTERS, ROUTES = 150, 140
CIDRS = ("10.0.0.0/8", "10.65.0.0/16", "10.65.0.0/20", "10.65.1.0/26", "10.66.0.0/16", "0.0.0.0/0", "10.65.1.7/32")
VALUES = ("65000:1", "65000:2", "1:2:3")
ANSWER = re.compile(r"^(\d+\.\d+\.\d+\.\d+/\d+)\s", re.MULTILINE)

pytestmark = pytest.mark.skipif(not shutil.which("bird"), reason="needs bird2 (apt install bird2)")


def a_route(dice: random.Random, number: int) -> Path:
    length = dice.choice((8, 12, 16, 20, 24, 26, 28, 32))
    base = dice.choice((0x0A410000, 0x0A420000, 0x0A000000)) + dice.choice((0, number << 8, number << 6, number))
    prefix = str(ip_network(((base >> (32 - length)) << (32 - length), length)))
    chosen = dice.sample(VALUES, dice.randrange(3))
    numbers = [parse_community(text) for text in chosen]
    given = attributes(
        *(dice.choice((1, 2, 3)) for _ in range(dice.randrange(4))),
        local_pref=dice.choice((100, 2147482623, 2147483135)),
        communities=frozenset(v for v in numbers if len(v) == 2),
        large_communities=frozenset(v for v in numbers if len(v) == 3),
    )
    return path(prefix, attributes=given)


def a_rule(dice: random.Random) -> BGPFilterRule:
    rule = BGPFilterRule(action=dice.choice(("Accept", "Reject")))
    fields: dict[str, object] = {}
    if dice.random() < 0.6:
        cidr = ip_network(dice.choice(CIDRS))
        fields |= {"cidr": cidr, "match_operator": dice.choice(("Equal", "NotEqual", "In", "NotIn"))}
        if fields["match_operator"] in ("In", "NotIn") and dice.random() < 0.5:
            low = dice.randrange(cidr.prefixlen, 33)
            fields["prefix_length"] = dice.choice(
                (PrefixLength(min=low), PrefixLength(max=low), PrefixLength(min=low, max=dice.randrange(low, 33)))
            )
    if dice.random() < 0.2:
        fields["peer_type"] = dice.choice(("eBGP", "iBGP"))
    if dice.random() < 0.3:
        fields["communities"] = Communities(values=(dice.choice(VALUES),))
    if dice.random() < 0.2:
        fields["as_path_prefix"] = tuple(Asn(dice.choice((1, 2))) for _ in range(dice.choice((1, 2))))
    if dice.random() < 0.2:
        fields["priority"] = dice.choice((1024, 512))
    if rule.action == "Accept" and dice.random() < 0.4:
        fields["operations"] = tuple(an_operation(dice) for _ in range(dice.choice((1, 2, 3))))
    return BGPFilterRule(action=rule.action, **fields)  # type: ignore[arg-type]


def an_operation(dice: random.Random) -> Operation:
    which = dice.randrange(3)
    if which == 0:
        return Operation(add_community=AddCommunity(value=dice.choice((*VALUES, "65000:9", "7:8:9"))))
    if which == 1:
        return Operation(prepend_as_path=PrependASPath(prefix=tuple(Asn(n) for n in dice.choice(((5,), (5, 6))))))
    return Operation(set_priority=SetPriority(value=dice.choice((1, 512, 2048))))


def in_bird(text: str) -> str:
    return "(" + ",".join(text.split(":")) + ")"


def field_of(text: str) -> str:
    return "bgp_community" if text.count(":") == 1 else "bgp_large_community"


def rendered_condition(rule: BGPFilterRule, *, external_peer: bool) -> str:
    terms = ["true"]
    if rule.cidr is not None:
        sign = {"Equal": "=", "NotEqual": "!=", "In": "~", "NotIn": "!~"}[rule.match_operator]
        pattern = str(rule.cidr)
        if rule.prefix_length is not None:
            low = max(rule.cidr.prefixlen, rule.prefix_length.min or 0)
            high = 32 if rule.prefix_length.max is None else min(32, rule.prefix_length.max)
            pattern = f"[ {rule.cidr}{{{low},{high}}} ]"
        terms.append(f"(net {sign} {pattern})")
    if rule.peer_type:
        terms.append("true" if (rule.peer_type == "eBGP") == external_peer else "false")
    if rule.communities:
        terms += [f"({in_bird(text)} ~ {field_of(text)})" for text in rule.communities.values]
    if rule.as_path_prefix:
        terms.append(f"(bgp_path ~ [= {' '.join(str(int(n)) for n in rule.as_path_prefix)} * =])")
    if rule.priority is not None:
        terms.append(f"(bgp_local_pref = {2147483647 - rule.priority})")
    return " && ".join(terms)


def rendered_operation(operation: Operation) -> str:
    if operation.add_community is not None:
        return f"{field_of(operation.add_community.value)}.add({in_bird(operation.add_community.value)});"
    if operation.prepend_as_path is not None:
        return " ".join(f"bgp_path.prepend({int(n)});" for n in reversed(operation.prepend_as_path.prefix))
    assert operation.set_priority is not None
    return f"bgp_local_pref = {2147483647 - operation.set_priority.value};"


def rendered(number: int, rules: tuple[BGPFilterRule, ...], routes: list[Path], *, external_peer: bool) -> str:
    lines = [f"ipv4 table t{number};", f"filter f{number} {{"]
    for rule in rules:
        done = " ".join((*map(rendered_operation, rule.operations), f"{rule.action.lower()};"))
        lines.append(f"  if ({rendered_condition(rule, external_peer=external_peer)}) then {{ {done} }}")
    lines += [
        "  accept;",
        "}",
        f"protocol static s{number} {{",
        f"  ipv4 {{ table t{number}; import filter f{number}; }};",
    ]
    return "\n".join([*lines, *(f"  route {one.prefix} blackhole {{ {static(one)} }};" for one in routes), "}"])


def static(one: Path) -> str:
    given = one.attributes
    parts = ["bgp_path = +empty+;", *(f"bgp_path.prepend({int(n)});" for n in reversed(given.as_path))]
    parts += [f"bgp_local_pref = {given.local_pref};"]
    parts += ["bgp_community = -empty-;", "bgp_large_community = ---empty---;"]
    for value in (*sorted(given.communities), *sorted(given.large_communities)):
        text = ":".join(map(str, value))
        parts.append(f"{field_of(text)}.add({in_bird(text)});")
    return " ".join(parts)


def ours(rules: tuple[BGPFilterRule, ...], one: Path, *, external_peer: bool) -> Attributes | None:
    over = replace(external() if external_peer else session(), filters=("f",))
    said = evaluate({"f": BGPFilter(import_v4=rules)}, "import", one, over)
    if said is None:
        return one.attributes
    return said.path.attributes if said.accepted else None


def theirs(text: str) -> dict[str, Attributes]:
    """BIRD's `show route all`: the prefixes that are left, with what became of them."""
    found: dict[str, Attributes] = {}
    starts = [*ANSWER.finditer(text)]
    for at, match in enumerate(starts):
        body = text[match.end() : starts[at + 1].start() if at + 1 < len(starts) else len(text)]
        told = dict(re.findall(r"BGP\.(\w+): (.*)", body))
        found[match[1]] = attributes(
            *map(int, told.get("as_path", "").split()),
            local_pref=int(told["local_pref"]),
            communities=frozenset(numbers(told.get("community", ""), 2)),
            large_communities=frozenset(numbers(told.get("large_community", ""), 3)),
        )
    return found


def numbers(text: str, size: int) -> Iterator[tuple[int, ...]]:
    for each in re.findall(r"\(([^)]*)\)", text):
        parts = tuple(int(part) for part in each.split(","))
        assert len(parts) == size
        yield parts


@pytest.fixture
def cases() -> list[tuple[tuple[BGPFilterRule, ...], bool]]:
    dice = random.Random(65000)
    return [(tuple(a_rule(dice) for _ in range(dice.randrange(1, 5))), dice.random() < 0.5) for _ in range(FILTERS)]


def asked(folder: File, config: str, tables: int) -> list[str]:
    """What BIRD shows of each table."""
    (folder / "bird.conf").write_text(config)
    socket = folder / "bird.ctl"
    private = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    command = [*private, "bird", "-f", "-c", str(folder / "bird.conf"), "-s", str(socket), "-P", str(folder / "pid")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as bird:
        try:
            deadline = time.monotonic() + 10
            while not socket.exists() and bird.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if not socket.exists():
                bird.kill()
                raise AssertionError(f"BIRD did not start: {bird.communicate()[0]}")
            return [
                subprocess.run(
                    ["birdc", "-s", str(socket), "show", "route", "all", "table", f"t{n}"],
                    capture_output=True, text=True, check=True, timeout=10,
                ).stdout
                for n in range(tables)
            ]  # fmt: skip
        finally:
            bird.kill()


def test_bird_says_the_same_of_every_route(
    tmp_path: File, cases: list[tuple[tuple[BGPFilterRule, ...], bool]]
) -> None:
    dice = random.Random(7)
    routes = list({one.prefix: one for one in (a_route(dice, n) for n in range(ROUTES))}.values())
    texts = [rendered(n, rules, routes, external_peer=outside) for n, (rules, outside) in enumerate(cases)]
    answers = asked(tmp_path, "router id 1.1.1.1;\n" + "\n".join(texts) + "\n", len(cases))
    compared = left = 0
    for (rules, outside), answer in zip(cases, answers, strict=True):
        there = theirs(answer)
        for one in routes:
            mine = ours(rules, one, external_peer=outside)
            assert there.get(str(one.prefix)) == mine, (one, rules)
            compared, left = compared + 1, left + (mine is not None)
    assert compared > 10000
    assert 0.2 < left / compared < 0.9  # both answers are well represented


def test_a_filter_rendered_with_another_meaning_is_seen(
    tmp_path: File, cases: list[tuple[tuple[BGPFilterRule, ...], bool]]
) -> None:
    """The negative control: BIRD gets the filter for the other kind of peer."""
    dice = random.Random(7)
    routes = list({one.prefix: one for one in (a_route(dice, n) for n in range(ROUTES))}.values())
    wrong = [rendered(n, rules, routes, external_peer=not outside) for n, (rules, outside) in enumerate(cases)]
    answers = asked(tmp_path, "router id 1.1.1.1;\n" + "\n".join(wrong) + "\n", len(cases))
    differ = sum(
        theirs(answer).get(str(one.prefix)) != ours(rules, one, external_peer=outside)
        for (rules, outside), answer in zip(cases, answers, strict=True)
        for one in routes
    )
    assert differ > 0
