"""What pods and namespaces ask for by annotation."""

from ipaddress import ip_address, ip_network

import pytest

from felixpy.ipam.annotations import PREFIX, Asked, asked
from felixpy.ipam.errors import BadAnnotation
from felixpy.model.resources import Metadata


def pod(**annotations: str) -> Metadata:
    return Metadata(
        "web", "team-a", annotations={PREFIX + key: value for key, value in annotations.items()}, uid="u1"
    )


def namespace(labels: dict[str, str] | None = None, **annotations: str) -> Metadata:
    return Metadata(
        "team-a", labels=labels or {}, annotations={PREFIX + key: value for key, value in annotations.items()}
    )


def test_without_objects_only_the_namespaces_name_is_known() -> None:
    assert asked("team-a", None, None) == Asked(namespace_labels={"kubernetes.io/metadata.name": "team-a"})


def test_the_pods_word_counts_before_its_namespaces() -> None:
    told = namespace(ipv4pools='["far"]', ipv6pools='["fd00:65::/112"]', ipFamilies='["IPv6"]')
    assert asked("team-a", pod(), told).pools == {4: ("far",), 6: ("fd00:65::/112",)}
    assert asked("team-a", pod(ipv4pools='["near", "10.65.0.0/24"]'), told).pools[4] == ("near", "10.65.0.0/24")
    assert asked("team-a", pod(), told).families == frozenset({6})
    assert asked("team-a", pod(ipFamilies='["IPv4", "IPv6"]'), told).families == frozenset({4, 6})


def test_what_is_a_pods_own_is_not_taken_from_its_namespace() -> None:
    told = namespace(ipAddrs='["10.65.0.1"]', hwAddr="02:00:00:00:00:01", floatingIPs='["1.2.3.4"]')
    assert asked("team-a", pod(), told) == asked("team-a", pod(), namespace())


def test_addresses_mac_and_sources_are_read() -> None:
    found = asked(
        "team-a",
        pod(
            ipAddrs='["10.65.0.9", "fd00:65::9"]', hwAddr="02:00:5E:10:00:01", allowedSourcePrefixes='["10.9.0.0/24"]'
        ),
        namespace({"zone": "a"}),
    )
    assert found.addresses == (ip_address("10.65.0.9"), ip_address("fd00:65::9"))
    assert (found.mac, found.spoofed, found.pod_uid) == ("02:00:5e:10:00:01", (ip_network("10.9.0.0/24"),), "u1")
    assert found.namespace_labels == {"kubernetes.io/metadata.name": "team-a", "zone": "a"}


@pytest.mark.parametrize("empty", ["", " ", "[]"])
def test_an_empty_annotation_asks_for_nothing(empty: str) -> None:
    nothing = pod(ipv4pools=empty, ipAddrs=empty, ipFamilies=empty, floatingIPs=empty, ipAddrsNoIpam=empty)
    assert asked("team-a", nothing, None) == asked("team-a", pod(), None)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ipv4pools", "far", 'must be a JSON list of texts, as ["one"]'),
        ("ipv4pools", '{"a": 1}', "must be a JSON list"),
        ("ipv4pools", "[1]", "must be a JSON list"),
        ("ipv4pools", "[" * 100_000, "must be a JSON list"),
        ("ipFamilies", '["ipv4"]', "a family is IPv4 or IPv6"),
        ("ipAddrs", '["10.65.0.300"]', "does not appear to be an IPv4 or IPv6 address"),
        ("ipAddrs", '["10.65.0.1", "10.65.0.2"]', "at most one address of each family"),
        ("hwAddr", "02-00-00-00-00-01", "is not a MAC address"),
        ("hwAddr", "01:00:5e:00:00:01", "no single station's address"),
        ("hwAddr", "00:00:00:00:00:00", "no single station's address"),
        ("allowedSourcePrefixes", '["10.9.0.1/24"]', "has host bits set"),
        ("ipAddrsNoIpam", '["10.65.0.9"]', "use ipAddrs"),
        ("floatingIPs", '["192.0.2.7"]', "need NAT"),
    ],
)
def test_what_cannot_be_given_names_pod_annotation_and_fix(name: str, value: str, reason: str) -> None:
    with pytest.raises(BadAnnotation) as caught:
        asked("team-a", pod(**{name: value}), None)
    message = str(caught.value)
    assert message.startswith(f"pod team-a/web: annotation cni.projectcalico.org/{name}: ")
    assert reason in message and len(message) < 300


def test_a_namespace_that_says_nonsense_is_named() -> None:
    with pytest.raises(BadAnnotation, match=r"namespace team-a: annotation cni.projectcalico.org/ipv6pools"):
        asked("team-a", pod(), namespace(ipv6pools="x"))
