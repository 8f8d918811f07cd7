"""Resources -> the rules of export: own blocks, pools, service ranges, communities (bird_aggr.cfg.template). Pure."""

from collections.abc import Iterable, Mapping

from birdpy.desired.originate import normal_priority
from birdpy.desired.services import ranges
from birdpy.policy.communities import Community, parse_community
from birdpy.policy.exports import ExportRules
from birdpy.policy.session import Speaker
from birdpy.rib.path import HIGHEST_LOCAL_PREF, LargeCommunity
from birdpy.rib.prefixes import PrefixMap
from felixpy.model.addresses import Prefix
from felixpy.model.resources import BGPConfiguration, BGPFilter, IPPool
from felixpy.model.snapshot import Snapshot

Values = tuple[Community | LargeCommunity, ...]


def export_rules(
    snapshot: Snapshot,
    speaker: Speaker,
    blocks: Iterable[Prefix],
    services: Iterable[Prefix],
    *,
    draining: bool = False,
) -> ExportRules:
    """The rules of this node; `blocks` are its announced ones, `services` its service routes."""
    pools: PrefixMap[str] = PrefixMap()
    silent: PrefixMap[str] = PrefixMap()
    for name, pool in snapshot.of(IPPool).items():
        (silent if pool.spec.disable_bgp_export else pools)[pool.spec.cidr] = name
    known = ranges(snapshot)
    return ExportRules(
        speaker=speaker,
        blocks=_named(blocks),
        pools=pools,
        silent_pools=silent,
        services=_named(services),
        reflected_services=_named((*known.balancer, *known.external)),
        communities=prefix_communities(snapshot, speaker.node),
        normal_local_pref={kind: HIGHEST_LOCAL_PREF - p for kind, p in normal_priority(snapshot).items()},
        filters=filters(snapshot),
        draining=draining,
    )


def filters(snapshot: Snapshot) -> Mapping[str, BGPFilter]:
    """The BGPFilters by name."""
    return {name: found.spec for name, found in snapshot.of(BGPFilter).items()}


def prefix_communities(snapshot: Snapshot, node: str) -> PrefixMap[Values]:
    """prefixAdvertisements: the node's own where it has some, else the cluster's; names resolved."""
    configurations = snapshot.of(BGPConfiguration)
    found: PrefixMap[Values] = PrefixMap()
    named: dict[str, str] = {}
    for name in ("default", f"node.{node}"):
        if name in configurations:
            named |= {community.name: community.value for community in configurations[name].spec.communities}
    for name in (f"node.{node}", "default"):
        if name in configurations and configurations[name].spec.prefix_advertisements:
            for entry in configurations[name].spec.prefix_advertisements:
                found[entry.cidr] = (*(found.get(entry.cidr) or ()), *_values(entry.communities, named))
            break
    return found


def _values(texts: Iterable[str], named: Mapping[str, str]) -> Values:
    values: list[Community | LargeCommunity] = []
    for text in texts:
        try:
            values.append(parse_community(named.get(text, text)))
        except ValueError:
            continue  # decoding refuses such an object; one that came in otherwise must not stop the others
    return tuple(values)


def _named(prefixes: Iterable[Prefix]) -> PrefixMap[str]:
    found: PrefixMap[str] = PrefixMap()
    for prefix in prefixes:
        found[prefix] = str(prefix)
    return found
