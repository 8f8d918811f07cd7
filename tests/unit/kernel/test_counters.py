"""The kernel's counters, from the text of /proc/net."""

from pathlib import Path

from felixpy.kernel.counters import forwarded, read_counters

SNMP = "Ip: Forwarding InReceives ForwDatagrams\nIp: 1 500 42\nTcp: RtoMin AttemptFails\nTcp: 200 7\n"
NETSTAT = "TcpExt: SyncookiesSent TCPMD5Failure TCPMinTTLDrop\nTcpExt: 0 3 4\nIpExt: InNoRoutes\nIpExt: 9\n"
SNMP6 = "Ip6InReceives                   \t12\nIp6OutForwDatagrams             \t8\n"


def test_every_counter_has_the_name_that_nstat_gives_it(tmp_path: Path) -> None:
    for name, text in (("snmp", SNMP), ("netstat", NETSTAT), ("snmp6", SNMP6)):
        (tmp_path / name).write_text(text)
    found = read_counters(tmp_path)
    assert found == {
        "IpForwarding": 1, "IpInReceives": 500, "IpForwDatagrams": 42, "TcpRtoMin": 200, "TcpAttemptFails": 7,
        "SyncookiesSent": 0, "TCPMD5Failure": 3, "TCPMinTTLDrop": 4, "InNoRoutes": 9,
        "Ip6InReceives": 12, "Ip6OutForwDatagrams": 8,
    }  # fmt: skip
    assert forwarded(found) == 50


def test_a_kernel_without_some_of_them_costs_nothing(tmp_path: Path) -> None:
    assert read_counters(tmp_path) == {}
    assert forwarded({}) == 0
