"""Kernel settings: what the contract does not say."""

import asyncio
from pathlib import Path

from felixpy.kernel.sysctls import KernelSysctls
from felixpy.model.sysctls import Sysctl, SysctlKey
from felixpy.reconcile.plan import Plan
from tests.namespaces import Namespace

FORWARD = SysctlKey("net/ipv4/ip_forward")


def test_a_value_that_the_kernel_does_not_keep_is_refused(netns: Namespace) -> None:
    key = SysctlKey("net/ipv4/ip_default_ttl")
    refused = asyncio.run(KernelSysctls().apply(Plan({key: Sysctl(key, "999")})))
    assert "Invalid argument" in refused[key].reason
    odd = SysctlKey("net/ipv4/conf/lo/rp_filter")
    refused = asyncio.run(KernelSysctls().apply(Plan({odd: Sysctl(odd, "01")})))
    assert "keeps '1' where '01' was written" in refused[odd].reason


def test_values_of_several_numbers_compare_by_their_numbers(netns: Namespace) -> None:
    key = SysctlKey("net/ipv4/ping_group_range")
    table = KernelSysctls()
    assert asyncio.run(table.apply(Plan({key: Sysctl(key, "0 100")}))) == {}
    assert asyncio.run(table.read()) == {key: Sysctl(key, "0 100")}


def test_the_reason_travels_but_does_not_count(netns: Namespace) -> None:
    table = KernelSysctls()
    table.about({FORWARD: Sysctl(FORWARD, "1", "else the node routes nothing")})
    (row,) = asyncio.run(table.read()).values()
    assert row.because == "else the node routes nothing"
    assert row == Sysctl(FORWARD, row.value)


def test_an_odd_name_never_leads_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    root = tmp_path / "sys"
    (root / "net").mkdir(parents=True)
    table = KernelSysctls(root)
    bad = ["net/../../outside", "../outside", str(outside), "net//outside", "", "net/\0", "net/."]
    plan = {SysctlKey(path): Sysctl(SysctlKey(path), "1") for path in bad}
    assert set(asyncio.run(table.apply(Plan(plan)))) == set(plan)
    assert outside.read_text() == "untouched"


def test_a_setting_is_written_in_the_namespace_of_the_caller_alone(netns: Namespace) -> None:
    other = netns.another()
    before = other.run("cat", "/proc/sys/net/ipv4/ip_forward")
    wanted = "0" if before.strip() == "1" else "1"
    assert asyncio.run(KernelSysctls().apply(Plan({FORWARD: Sysctl(FORWARD, wanted)}))) == {}
    assert other.run("cat", "/proc/sys/net/ipv4/ip_forward") == before
