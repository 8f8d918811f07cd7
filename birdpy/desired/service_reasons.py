"""Why a service address is announced by this node, or is not: for `birdpy explain`. Pure."""

from collections.abc import Iterator

from birdpy.desired.services import EXCLUDED, addresses, cluster_of, is_excluded, ranges, service_addresses, verdict
from felixpy.model.addresses import Prefix, contains, host_prefix
from felixpy.model.resources import Service
from felixpy.model.snapshot import Snapshot

Reason = tuple[bool, str]  # whether it speaks for announcing


def service_reasons(snapshot: Snapshot, node: str, asked: Prefix) -> Iterator[Reason]:
    """All that decides about `asked`; nothing when it is no address of a service and in no range of them."""
    known = ranges(snapshot)
    whole = [cidr for cidr in known.announced if contains(cidr, asked)]
    owners = [
        (name, service)
        for name, service in sorted(snapshot.of(Service).items())
        if any(host_prefix(address) == asked for address in service_addresses(service.spec))
    ]
    if not owners and not any(contains(cidr, asked) for cidr in known.all):
        return
    if is_excluded(snapshot, node):
        yield False, f"node {node} announces no service address: its label {EXCLUDED} is true"
        return
    for cidr in whole:
        yield True, f"{cidr} is announced as a whole (BGPConfiguration default)"
    cluster = cluster_of(snapshot, node)
    for name, service in owners:
        said = verdict(name, service, cluster)
        allowed = any(host_prefix(address) == asked for address in addresses(service.spec, known))
        if not allowed:
            yield bool(whole), f"{asked} of Service {name} lies in no range that BGPConfiguration lists for its kind"
        elif said.announced:
            yield True, f"{asked} is announced for Service {name}: {said.reason}"
        else:
            yield bool(whole), f"{asked} is not announced by itself for Service {name}: {said.reason}"
    if not owners and not whole:
        yield False, f"no Service has {asked}, and its range is not announced as a whole"
