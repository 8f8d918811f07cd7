"""What is said of resources is said once."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from felixpy.daemon.remarks import Remarks
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import IPPool, Metadata, Node, Resource
from felixpy.model.snapshot import Broken, Gone, Put, Snapshot

POOL = Resource(Metadata("p"), IPPool(cidr=ip_network("10.65.0.0/16"), block_size=26), unknown=("spec.natOutgoin",))


class Lines:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def bind(self, **_: Any) -> "Lines":
        return self

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    info = warning = error = debug


def test_an_ignored_field_is_named_once_and_again_when_others_are() -> None:
    log = Lines()
    remarks = Remarks(log)
    snapshot = Snapshot().after(Put(IPPool, POOL))
    remarks.unknown(snapshot)
    remarks.unknown(snapshot)
    remarks.unknown(snapshot.after(Put(IPPool, replace(POOL, meta=replace(POOL.meta, version="2")))))
    assert log.lines == [("fields ignored", {"resource": "IPPool/p", "fields": ["spec.natOutgoin"]})]
    remarks.unknown(snapshot.after(Put(IPPool, replace(POOL, unknown=("spec.other",)))))
    assert log.lines[1:] == [("fields ignored", {"resource": "IPPool/p", "fields": ["spec.other"]})]


def test_a_broken_object_is_named_once_and_again_when_it_breaks_anew() -> None:
    log = Lines()
    remarks = Remarks(log)
    broken = Snapshot().after(Broken(IPPool, "p", InvalidResource("p.yaml", "spec.cidr", "is wrong")))
    for snapshot in (broken, broken, broken.after(Gone(IPPool, "p")), broken):
        remarks.broken(snapshot)
    assert log.lines == [("resource not used", {"where": "p.yaml", "field": "spec.cidr", "reason": "is wrong"})] * 2


def test_two_pools_that_overlap_are_named_once() -> None:
    log = Lines()
    remarks = Remarks(log)
    other = replace(POOL, meta=Metadata("q"))
    both = Snapshot().after(Put(IPPool, POOL)).after(Put(IPPool, other))
    for snapshot in (both, both, both.after(Put(Node, Resource(Metadata("n1"), Node())))):
        remarks.cross(snapshot)
    ((event, fields),) = log.lines
    assert event == "resources contradicted"
    assert fields["resource"] == "IPPool/q" and "IPPool/p" in fields["reason"]
