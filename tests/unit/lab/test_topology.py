"""Topology files as containerlab's users write them, and everything that is refused, with its line."""

from pathlib import Path

import pytest

from felixpy.lab.cables import DEFAULT_MTU
from felixpy.lab.images import Program
from felixpy.lab.located import InvalidTopology
from felixpy.lab.nodes import Bind
from felixpy.lab.topology import Topology, parse

FILE = Path("lab.clab.yml")


def of(text: str) -> Topology:
    return parse(text, FILE)


def refusal(text: str) -> str:
    with pytest.raises(InvalidTopology) as caught:
        of(text)
    return str(caught.value)


def with_node(field: str) -> str:
    return f"name: x\ntopology:\n  nodes:\n    a:\n      kind: linux\n      image: alpine\n      {field}\n"


def with_link(link: str) -> str:
    nodes = "{a: {kind: linux, image: alpine}, b: {kind: linux, image: alpine}}"
    return f"name: x\ntopology:\n  nodes: {nodes}\n  links:\n    - {link}\n"


def test_a_small_topology_is_read_whole() -> None:
    lab = of("""
name: two
topology:
  nodes:
    a: {kind: linux, image: "quay.io/frrouting/frr:10.2.1"}
    b: {kind: linux, image: alpine:3}
  links:
    - endpoints: ["a:eth1", "b:eth1"]
""")
    assert (lab.name, lab.prefix, lab.netns("a")) == ("two", "clab", "clab-two-a")
    assert {name: node.program for name, node in lab.nodes.items()} == {"a": Program.FRR, "b": Program.PLAIN}
    (link,) = lab.links
    assert [str(end) for end in link.ends] == ["a:eth1", "b:eth1"]
    assert link.mtu == DEFAULT_MTU


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("", "clab-x-a"), ("prefix: lab\n", "lab-x-a"), ('prefix: ""\n', "a"), ("prefix: __lab-name\n", "x-a")],
)
def test_the_prefix_makes_names_as_containerlab_does(prefix: str, name: str) -> None:
    assert of(prefix + with_node("env: {}")).netns("a") == name


def test_a_nodes_own_field_wins_over_group_kind_and_defaults() -> None:
    lab = of("""
name: x
topology:
  defaults: {kind: linux, env: {A: defaults, B: defaults, C: defaults, D: defaults}, exec: [one]}
  kinds: {linux: {image: alpine, env: {B: kind, C: kind, D: kind}, exec: [two]}}
  groups: {leaf: {image: frr, env: {C: group, D: group}, exec: [three]}}
  nodes:
    a: {group: leaf, env: {D: node}, exec: [four]}
    b: {image: bird}
""")
    a, b = lab.nodes["a"], lab.nodes["b"]
    assert a.env == {"A": "defaults", "B": "kind", "C": "group", "D": "node"}
    assert a.exec == ("one", "two", "three", "four")
    assert (a.image, b.image, b.program) == ("frr", "bird", Program.BIRD)


def test_binds_of_several_levels_are_merged_by_target() -> None:
    lab = of("""
name: x
topology:
  kinds: {linux: {image: frr, binds: ["common:/etc/frr/daemons", "c.conf:/etc/frr/frr.conf:ro"]}}
  nodes: {a: {kind: linux, binds: ["own.conf:/etc/frr/frr.conf"]}}
""")
    assert lab.nodes["a"].binds == (
        Bind("common", "/etc/frr/daemons", False, 4),
        Bind("own.conf", "/etc/frr/frr.conf", False, 5),
    )


def test_anchors_and_merge_keys_work_as_in_other_yaml() -> None:
    lab = of("""
x-host: &host {kind: linux, image: alpine, env: {A: "1"}}
name: x
topology: {nodes: {a: {<<: *host, env: {B: "2"}}, b: *host}}
""")
    assert (lab.nodes["a"].env, lab.nodes["b"].env) == ({"B": "2"}, {"A": "1"})


def test_yaml_words_stay_the_words_they_are() -> None:
    lab = of(with_node("env: {A: no, B: 12:30, C: 0777, D: true, E: 1e3}"))
    assert lab.nodes["a"].env == {"A": "no", "B": "12:30", "C": "0777", "D": "true", "E": "1e3"}


def test_an_extended_link_has_mac_addresses_and_mtu() -> None:
    lab = of(
        with_link(
            '{type: veth, mtu: 1400, endpoints: [{node: a, interface: eth1, mac: "02:00:00:00:00:01", '
            'ipv4: 10.0.0.1/24}, {node: b, interface: e, ipv6: "fd00::1/64"}]}'
        )
    )
    (link,) = lab.links
    assert (link.mtu, link.ends[0].mac, link.ends[0].addresses, link.ends[1].addresses) == (
        1400, "02:00:00:00:00:01", ("10.0.0.1/24",), ("fd00::1/64",),
    )  # fmt: skip


def test_addresses_beside_a_short_links_endpoints_go_to_their_ends() -> None:
    (link,) = of(with_link('{endpoints: ["a:e1", "b:e1"], ipv4: [10.0.0.0/31, 10.0.0.1/31]}')).links
    assert [end.addresses for end in link.ends] == [("10.0.0.0/31",), ("10.0.0.1/31",)]


def test_what_only_a_container_runtime_needs_is_said_in_one_line() -> None:
    lab = of("mgmt: {network: m}\n" + with_node("ports: [80:80]"))
    assert lab.notes == ("not needed without containers, ignored: mgmt (the file); ports (a)",)


REFUSALS = [
    ("name: x\n[", "lab.clab.yml:2: not YAML:"),
    ("- a", "lab.clab.yml:1: a topology is a mapping"),
    ("name: x\ntopology: {nodes: {}}", "lab.clab.yml:2: topology.nodes: at least one node"),
    ("topology: {nodes: {a: {kind: linux, image: a}}}", "lab.clab.yml:1: name: every lab needs one"),
    ("name: a/b\ntopology: {nodes: {a: {kind: linux, image: a}}}", "lab.clab.yml:1: name: 'a/b' must be letters"),
    ("name: x\nname: y", "lab.clab.yml:2: 'name' stands here a second time"),
    ("name: x\na: &a {b: *a}", "lab.clab.yml:2: "),
    ("name: x\ntopologie: {}\ntopology: {nodes: {}}", "topologie: no such field; did you mean 'topology'?"),
    (with_node("imag: frr"), "lab.clab.yml:7: node a: imag: no such field; did you mean 'image'?"),
    (
        with_node("kind: nokia_srlinux").replace("      kind: linux\n", ""),
        "node a: kind: 'nokia_srlinux' is not supp",
    ),
    (with_node("network-mode: host"), "lab.clab.yml:7: node a: network-mode: not supported: every node has"),
    (with_node("stages: {create: {}}"), "lab.clab.yml:7: node a: stages: not supported"),
    (with_node("entrypoint: /x"), "lab.clab.yml:7: node a: entrypoint: not supported"),
    (with_node("binds: [nothing]"), "lab.clab.yml:7: node a: binds: 'nothing' must be source:/target"),
    (
        with_node("binds: [x:/etc/frr/frr.conf]").replace("alpine", "frouting/fr:9"),
        "lab.clab.yml:6: node a: image: /etc/frr/frr.conf is bound, but nothing here stands in for image 'frouting",
    ),
    (with_node("startup-config: x.conf"), "lab.clab.yml:6: node a: image: startup-config is given, but nothing here"),
    (with_node("binds: text"), "lab.clab.yml:7: node a: binds: a list of texts is needed"),
    (with_node("exec: [[a]]"), "lab.clab.yml:7: node a: exec: a list of texts is needed"),
    (with_node("env: [a]"), "lab.clab.yml:7: node a: env: a mapping of texts is needed"),
    (with_node("startup-delay: soon"), "lab.clab.yml:7: node a: startup-delay: seconds between 0 and 3600"),
    (with_node("sysctls: {kernel.panic: 1}"), "lab.clab.yml:7: node a: sysctls.kernel.panic: only net.*"),
    (with_node("labels: {felixpy.lab/run: cisco}"), "labels.felixpy.lab/run: 'cisco' is not one of felixpy, frr"),
    (with_node("image: x").replace("alpine", "ceos:4.32").replace("      image: x\n", ""), "'ceos:4.32' is a router"),
    ("name: x\ntopology:\n  nodes:\n    a: {kind: linux}\n", "lab.clab.yml:4: node a: image: needed for kind linux"),
    ("name: x\ntopology:\n  nodes:\n    a: {image: y}\n", "lab.clab.yml:4: node a: kind: needed"),
    (
        "name: x\ntopology:\n  kinds: {linux: {foo: 1}}\n  nodes: {a: {kind: linux, image: y}}",
        "3: kinds.linux.foo: no",
    ),
    (with_link('endpoints: ["a:e1", "c:e1"]'), "lab.clab.yml:5: link c:e1: there is no node 'c'"),
    (with_link('endpoints: ["a:e1"]'), "lab.clab.yml:5: link: two endpoints are needed"),
    (with_link('endpoints: ["a:e1", "a:e1"]'), "lab.clab.yml:5: node a: link: e1 is used already in line 5"),
    (with_link('endpoints: ["a:e1", "b"]'), "lab.clab.yml:5: link: 'b' must be node:interface"),
    (with_link('endpoints: ["a:e1", "b:much-too-long-name"]'), "cannot be an interface's name"),
    (with_link('endpoints: ["a:e1", "host:veth0"]'), "a lab never touches the host's own network"),
    (
        with_link("{type: vxlan, endpoint: {node: a, interface: e}, remote: 1.2.3.4, vni: 1}"),
        "link type 'vxlan' is not",
    ),
    (
        with_link('{endpoints: ["a:e1", "b:e1"], mtu: 20}'),
        "lab.clab.yml:5: link: mtu 20 must be between 68 and 65535",
    ),
    (with_link('{endpoints: ["a:e1", "b:e1"], ipv4: [10.0.0.300/24]}'), "'10.0.0.300/24' is not an address"),
    (
        with_link("{type: veth, endpoints: [{node: a, interface: e, mac: zz}, {node: b, interface: e}]}"),
        "node a: link: mac 'zz' is not a MAC address",
    ),
]


@pytest.mark.parametrize(("text", "said"), REFUSALS)
def test_what_cannot_be_deployed_is_refused_with_its_line(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_host_may_bind_a_routers_files_when_a_label_says_that_it_is_one_on_purpose() -> None:
    lab = of(with_node("binds: [x:/etc/frr/frr.conf]\n      labels: {felixpy.lab/run: plain}"))
    assert lab.nodes["a"].program is Program.PLAIN


def test_every_reason_is_named_at_once() -> None:
    said = refusal(with_node("imag: x") + "    b: {kind: ceos}\n").splitlines()
    assert [line.split(":")[1] for line in said] == ["7", "8"]
