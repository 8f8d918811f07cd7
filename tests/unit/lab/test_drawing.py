"""A topology drawn: as text, as SVG, as Mermaid."""

import xml.etree.ElementTree as ET
from pathlib import Path

from felixpy.lab import graph, layout, picture
from felixpy.lab.topology import Topology, parse

RACK = """
name: rack
topology:
  nodes:
    n1: {kind: linux, image: felixpy}
    n2: {kind: linux, image: felixpy}
    tor: {kind: linux, image: frr}
    out: {kind: linux, image: alpine}
  links:
    - endpoints: ["tor:eth1", "n1:eth1"]
    - endpoints: ["tor:eth2", "n2:eth1"]
    - endpoints: ["tor:eth3", "out:eth1"]
    - endpoints: ["n1:eth9", "n2:eth9"]
"""


def of(text: str) -> Topology:
    return parse(text, Path("x.clab.yml"))


def test_nodes_with_pods_stand_at_the_bottom_and_the_outside_at_the_top() -> None:
    assert layout.layers(of(RACK)) == [["out"], ["tor"], ["n1", "n2"]]


def test_the_label_of_containerlabs_own_graph_decides_where_all_have_it() -> None:
    text = RACK
    for name, level in (("n1", 1), ("n2", 1), ("tor", 2), ("out", 3)):
        text = text.replace(f"{name}: {{kind", f"{name}: {{labels: {{graph-level: {level}}}, kind")
    assert layout.layers(of(text)) == [["n1", "n2"], ["tor"], ["out"]]


def test_the_picture_joins_boxes_with_lines() -> None:
    drawn = picture.draw(of(RACK), {"n1": ["pod a", "pod b"]})
    assert (
        drawn
        == """\
                ┌──────┐
                │ out  │
                │ host │
                └───┬──┘
                    │
                    │
                    │
                ┌───┴───┐
                │ tor   │
                │ FRR   │
                └───┬───┘
                    │
         ┌──────────┴──────────┐
         │                     │
┌────────┴────────┐   ┌────────┴────────┐
│ n1              │   │ n2              │
│ felixpy, birdpy │   │ felixpy, birdpy │
│ pod a           │   │                 │
│ pod b           │   │                 │
└─────────────────┘   └─────────────────┘

and n1:eth9 to n2:eth9
"""
    )


def test_the_svg_is_one_document_that_needs_nothing_else() -> None:
    text = graph.svg(of(RACK.replace("name: rack", "name: rack-1")))
    root = ET.fromstring(text)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"n1", "n2", "tor", "out", "eth1", "eth3"} <= set(words)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}line"))) == 4
    assert text.count("http") == 1  # the name of the SVG format itself


def test_mermaid_holds_every_node_and_link() -> None:
    assert graph.mermaid(of(RACK)).splitlines() == [
        "%% rack",
        "graph TD",
        '  n0["n1<br/>felixpy, birdpy"]',
        '  n1["n2<br/>felixpy, birdpy"]',
        '  n2["tor<br/>FRR"]',
        '  n3["out<br/>host"]',
        '  n2 ---|"eth1 - eth1"| n0',
        '  n2 ---|"eth2 - eth1"| n1',
        '  n3 ---|"eth1 - eth3"| n2',
        '  n0 ---|"eth9 - eth9"| n1',
    ]
