"""Images to programs, and how FRR's daemons file is read."""

import pytest

from felixpy.lab import programs
from felixpy.lab.images import LABEL, Program, image_words, program_of
from felixpy.lab.nodes import Node

DAEMONS = """
# a comment: ospfd=yes
bgpd=yes
ospfd=no
bfdd=yes   # more
vtysh_enable=yes
zebra_options="  -A 127.0.0.1 -s 90000000"
bgpd_options="   -A 127.0.0.1 -M rpki"
frr_profile="datacenter"
"""


@pytest.mark.parametrize(
    ("image", "program"),
    [
        ("quay.io/frrouting/frr:10.2.1", Program.FRR),
        ("frrouting/frr", Program.FRR),
        ("localhost:5000/lab/frr-debian@sha256:abc", Program.FRR),
        ("ghcr.io/x/felixpy:latest", Program.FELIXPY),
        ("bird:2", Program.BIRD),
        ("osrg/gobgp", Program.GOBGP),
        ("ghcr.io/srl-labs/network-multitool", Program.PLAIN),
        ("alpine", Program.PLAIN),
        ("", Program.PLAIN),
        ("firebird", Program.PLAIN),
        ("vrnetlab/vr-sros:20.2", None),
        ("ceos:4.32", None),
    ],
)
def test_an_images_name_says_what_stands_in_for_it(image: str, program: Program | None) -> None:
    assert program_of(image, {}) == program


def test_a_label_overrides_the_image() -> None:
    assert program_of("ceos", {LABEL: "frr"}) is Program.FRR


def test_registry_and_tag_do_not_count() -> None:
    assert image_words("frr.example.com:5000/host:frr") == ["host"]


def test_the_daemons_file_says_which_daemons_run_and_how() -> None:
    assert programs.frr_daemons(DAEMONS) == {
        "zebra": ["-F", "datacenter", "-A", "127.0.0.1", "-s", "90000000"],
        "staticd": ["-F", "datacenter", "-A", "127.0.0.1"],
        "bgpd": ["-F", "datacenter", "-A", "127.0.0.1", "-M", "rpki"],
        "bfdd": ["-F", "datacenter", "-A", "127.0.0.1"],
    }


def test_a_router_without_daemons_file_speaks_bgp() -> None:
    node = Node("r", "linux", 1, image="frr", program=Program.FRR, startup_config="router bgp 1\n")
    made = programs.furniture(node, {}, rootless=False)
    assert [one["name"] for one in made.programs] == ["zebra", "staticd", "bgpd"]
    assert made.files["/etc/frr/frr.conf"] == "router bgp 1\n"
    assert made.programs[2]["then"] == ["vtysh", "-b", "-d", "bgpd"]


def test_a_router_without_configuration_is_not_configured() -> None:
    made = programs.furniture(Node("r", "linux", 1, image="frr", program=Program.FRR), {}, rootless=False)
    assert [one["then"] for one in made.programs] == [[], [], []]


def test_a_host_runs_nothing_but_a_command_that_does_something() -> None:
    def run(cmd: str) -> list[list[str]]:
        node = Node("h", "linux", 1, image="alpine", cmd=cmd)
        return [one["argv"] for one in programs.furniture(node, {}, rootless=False).programs]

    assert (run(""), run("sleep infinity"), run("iperf3 -s")) == ([], [], [["iperf3", "-s"]])


def test_a_felixpy_node_runs_both_daemons() -> None:
    node = Node("n1", "linux", 1, image="felixpy", program=Program.FELIXPY)
    argvs = [one["argv"][1:] for one in programs.furniture(node, {}, rootless=False).programs]
    assert argvs == [["-m", "felixpy", "run", "--node", "n1"], ["-m", "birdpy", "run", "--node", "n1"]]


def test_bird_takes_the_configuration_where_its_image_keeps_it() -> None:
    node = Node("r", "linux", 1, image="bird", program=Program.BIRD)
    (one,) = programs.furniture(node, {"/usr/local/etc/bird.conf": "x"}, rootless=False).programs
    assert one["argv"][3] == "/usr/local/etc/bird.conf"
