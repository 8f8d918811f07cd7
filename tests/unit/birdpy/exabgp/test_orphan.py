"""Who listens on a port, read from the kernel's own table."""

from ipaddress import ip_address

from birdpy.exabgp.orphan import holder, listeners

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:00B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 100
   1: 0100007F:00B3 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0000000000000000 20
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4244 1 0000000000000000 100
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 000000FD000000000000000001000000:00B3 00000000000000000000000000000000:0000 0A 00000000:00000000 0:0 0 0 0 77 1
"""


def test_only_what_listens_on_the_port_is_found() -> None:
    assert list(listeners(TCP, 179)) == [("4242", ip_address("127.0.0.1"))]
    assert list(listeners(TCP, 22)) == [("4244", ip_address("0.0.0.0"))]
    assert list(listeners(TCP, 80)) == []


def test_an_ipv6_address_is_read_word_by_word() -> None:
    assert list(listeners(TCP6, 179)) == [("77", ip_address("fd00::1"))]


def test_a_port_that_nobody_holds_has_no_holder() -> None:
    assert holder([ip_address("192.0.2.1")], 1) is None
