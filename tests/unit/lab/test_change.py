"""What an edited topology file asks of a running lab."""

from pathlib import Path

from felixpy.lab.change import between, made
from felixpy.lab.topology import Topology, parse


def of(nodes: str, links: str = "") -> Topology:
    lines = "".join(f"    - endpoints: [{pair}]\n" for pair in links.split(";") if pair)
    return parse(f"name: x\ntopology:\n  nodes: {{{nodes}}}\n  links:\n{lines}", Path("x.clab.yml"))


A, B, C = (f"{name}: {{kind: linux, image: alpine}}" for name in "abc")
AB, BC, AC = '"a:e1", "b:e1"', '"b:e2", "c:e1"', '"a:e2", "c:e2"'


def test_an_unchanged_file_asks_for_nothing() -> None:
    lab = of(f"{A}, {B}", AB)
    assert not between(made(lab), ["a", "b"], lab)


def test_a_new_node_comes_with_its_links() -> None:
    change = between(made(of(f"{A}, {B}", AB)), ["a", "b"], of(f"{A}, {B}, {C}", f"{AB};{BC}"))
    assert change.added == ("c",)
    assert [str(end) for link in change.links for end in link.ends] == ["b:e2", "c:e1"]
    assert (change.removed, change.unplugged, change.exec) == ((), (), {})


def test_the_links_of_a_node_that_goes_go_with_it() -> None:
    change = between(made(of(f"{A}, {B}, {C}", f"{AB};{BC}")), ["a", "b", "c"], of(f"{A}, {B}", AB))
    assert (change.removed, change.unplugged, change.links) == (("c",), (), ())


def test_a_link_between_nodes_that_stay_is_unplugged_at_one_end() -> None:
    change = between(made(of(f"{A}, {C}", AC)), ["a", "c"], of(f"{A}, {C}"))
    assert change.unplugged == (("a", "e2"),)


def test_of_the_exec_lines_only_new_ones_run_in_a_node_that_stays() -> None:
    before = of("a: {kind: linux, image: x, exec: [one, two]}")
    after = of("a: {kind: linux, image: x, exec: [two, three]}")
    assert between(made(before), ["a"], after).exec == {"a": ("three",)}


def test_a_node_that_a_killed_change_left_out_is_made_now() -> None:
    lab = of(f"{A}, {B}", AB)
    assert between(made(lab), ["a"], lab).added == ("b",)
