"""Topology files in the manner of those that others wrote for containerlab run unchanged."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.lab.conftest import ROOT, Labs

FRR = pytest.mark.skipif(not Path("/usr/lib/frr/ospfd").exists(), reason="needs frr")
pytestmark = [pytest.mark.lab, FRR]


def reaches(labs: Labs, lab: str, node: str, address: str, seconds: float = 30) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if labs.felixpy("lab", "exec", "--lab", lab, node, "--", "ping", "-c1", "-W1", address).returncode == 0:
            return True
    return False


def deploy_copy(labs: Labs, name: str, tmp_path: Path) -> str:
    """Deploy a copy under a name of its own: the same file may run in another test at this moment."""
    shutil.copytree(ROOT / "tests" / "data" / "foreign", tmp_path / "foreign")
    file = tmp_path / "foreign" / f"{name}.clab.yml"
    own = f"t{os.getpid()}-{name}"
    text = file.read_text().replace(f"name: {name}\n", f"name: {own}\n").replace('prefix: ""', f"prefix: {own}")
    file.write_text(text)
    return labs.deploy(file) + f"\n{own}"


def test_ospf_routers_with_a_folder_each_and_pcs_behind_them(labs: Labs, tmp_path: Path) -> None:
    said = deploy_copy(labs, "frr01", tmp_path)
    assert "ignored: mgmt (the file); mgmt-ipv4 (PC1); ports (PC2)" in said
    name = said.splitlines()[-1]
    assert reaches(labs, name, "PC1", "192.168.12.2")
    assert "192.168.12.0/24" in labs.run(name, "router1", "ip", "route", "show", "proto", "ospf")
    assert reaches(labs, name, "PC1", "10.99.9.9", seconds=1) is False  # the check can fail


def test_a_clos_with_groups_anchors_unnumbered_bgp_and_a_bridge(labs: Labs, tmp_path: Path) -> None:
    name = deploy_copy(labs, "clos", tmp_path).splitlines()[-1]
    assert reaches(labs, name, "server1", "10.2.0.10")
    assert reaches(labs, name, "server1", "10.1.0.11")
    assert labs.run(name, "server2", "sh", "-c", "echo $ROLE") == "server\n"
    assert labs.run(name, "leaf2", "cat", "/sys/class/net/eth1/mtu") == "9000\n"
    summary = labs.run(name, "spine1", "vtysh", "-c", "show bgp summary json")
    assert summary.count('"state":"Established"') == 2
