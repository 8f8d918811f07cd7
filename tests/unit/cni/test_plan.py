"""What a call means on a node, and what is answered."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from felixpy.cni.call import Call, Config, Ipam
from felixpy.cni.plan import attached, attachment, endpoint, request, with_asked
from felixpy.cni.result import add_result, addresses_of, version_result
from felixpy.ipam.allocate import Request
from felixpy.ipam.annotations import Asked
from felixpy.ipam.pools import Rules
from felixpy.model.addresses import Address
from tests.ipam_world import pool

BOTH = Rules(pools=(pool(), pool("six", "fd00:65::/112")))
FOUR, SIX = ip_address("10.65.0.2"), ip_address("fd00:65::2")


def call(pod: str = "frontend-5gs43", namespace: str = "", **fields: Any) -> Call:
    args = {"K8S_POD_NAME": pod, "K8S_POD_NAMESPACE": namespace} if pod else {}
    wanted = {
        "config": Config(name="k8s-pod-network"),
        "container": "0123456789abcdef",
        "interface": "eth0",
        **fields,
    }
    return Call("ADD", args=args, netns="/run/netns/x", **wanted)


def test_a_pods_names_are_calicos() -> None:
    what = attachment(call(pod="web-0", namespace="team-a"), "node-1")
    assert what.host_interface == "calie1d60f696f6"
    assert what.endpoint == "team-a/node--1-k8s-web--0-eth0"
    assert what.handle == "k8s-pod-network.0123456789abcdef"
    assert attachment(call(), "n1", "tap").host_interface.startswith("tap")


def test_without_a_pod_the_container_gives_the_names() -> None:
    what = attachment(call(pod=""), "n1")
    assert what.host_interface == "calife5567e8d76"
    assert what.endpoint == "default/n1-cni-0123456789abcdef-eth0"
    assert "pod" not in what.owner(0.0).attributes


def test_containers_whose_ids_begin_alike_have_interfaces_of_their_own() -> None:
    ids = ("default-container-1", "default-container-2", "k8s.io-container-1")
    assert len({attachment(call(pod="", container=name), "n1").host_interface for name in ids}) == 3


def test_two_interfaces_of_one_pod_do_not_share_a_name() -> None:
    names = {attachment(call(pod=pod, interface=name), "n1").host_interface
             for pod in ("web", "") for name in ("eth0", "net1")}  # fmt: skip
    assert len(names) == 4
    assert all(len(name) == 15 for name in names)


def test_a_container_id_that_names_no_object_is_hashed() -> None:
    what = attachment(call(pod="", container="UPPER_case"), "n1")
    other = attachment(call(pod="", container="upper-case"), "n1")
    assert what.object_name != other.object_name
    assert what.object_name == what.object_name.lower() and "_" not in what.object_name


def test_the_mac_is_the_containers_own_and_stays() -> None:
    one, again, other = (attachment(call(container=c), "n1").mac for c in ("a1", "a1", "a2"))
    assert one == again != other
    assert one.startswith("02:") and len(one) == 17


def test_the_endpoint_says_everything_a_reader_needs() -> None:
    what = attachment(call(pod="web", namespace="team-a"), "n1")
    made = endpoint(what, (FOUR, SIX))
    spec = made.spec
    assert made.name == "team-a/n1-k8s-web-eth0"
    assert [str(network) for network in spec.ip_networks] == ["10.65.0.2/32", "fd00:65::2/128"]
    assert (spec.node, spec.pod, spec.orchestrator, spec.container_id) == ("n1", "web", "k8s", "0123456789abcdef")
    assert (str(spec.ipv4_gateway), str(spec.ipv6_gateway)) == ("169.254.1.1", "fe80::ecee:eeff:feee:eeee")
    assert (spec.interface_name, spec.mac) == (what.host_interface, what.mac)
    assert endpoint(what, (FOUR,)).spec.ipv6_gateway is None


@pytest.mark.parametrize(
    ("ipam", "rules", "families"),
    [
        (Ipam(), BOTH, [4, 6]),
        (Ipam(), Rules(pools=BOTH.pools[:1]), [4]),
        (Ipam(), Rules(pools=BOTH.pools[1:]), [6]),
        (Ipam(), Rules(), [4]),
        (Ipam(assign_ipv6="true"), BOTH, [4, 6]),
        (Ipam(assign_ipv6=False), BOTH, [4]),
        (Ipam(assign_ipv4="false"), BOTH, [6]),
        (Ipam(assign_ipv4="false", assign_ipv6="true"), Rules(), [6]),
        (Ipam(assign_ipv4=True), BOTH, [4]),
    ],
)
def test_families_are_those_configured_or_else_those_with_a_pool(
    ipam: Ipam, rules: Rules, families: list[int]
) -> None:
    asked = call(config=Config(name="k8s-pod-network", ipam=ipam))
    made = request(asked, attachment(asked, "n1"), rules, 0.0)
    assert [wish.family for wish in made.wishes] == families


def test_a_wanted_address_stands_for_its_family() -> None:
    asked = call(addresses=(FOUR,))
    made = request(asked, attachment(asked, "n1"), BOTH, 0.0)
    assert (made.wishes, made.addresses) == ((), (FOUR,))


def wanted(asked: Asked, rules: Rules = BOTH, **fields: Any) -> Request:
    made = call(**fields)
    return request(made, with_asked(attachment(made, "n1"), asked), rules, 0.0)


def test_annotations_count_before_the_configuration() -> None:
    config = Config(ipam=Ipam(assign_ipv4="true", assign_ipv6="false", ipv4_pools=("p",)))
    assert wanted(Asked(pools={4: ("far",)}), config=config).wishes[0].pools == ("far",)
    assert wanted(Asked(), config=config).wishes[0].pools == ("p",)
    assert [wish.family for wish in wanted(Asked(families=frozenset({6})), config=config).wishes] == [6]
    labels = {"zone": "a"}
    assert all(wish.namespace_labels == labels for wish in wanted(Asked(namespace_labels=labels)).wishes)


def test_addresses_of_an_annotation_are_the_only_ones() -> None:
    made = wanted(Asked(addresses=(SIX,)), config=Config(ipam=Ipam(assign_ipv4="true")))
    assert (made.wishes, made.addresses) == ((), (SIX,))


def test_a_named_pool_makes_its_family_wanted_even_if_it_does_not_serve() -> None:
    four_only = Rules(pools=BOTH.pools[:1])
    assert [wish.family for wish in wanted(Asked(pools={6: ("gone",)}), four_only).wishes] == [4, 6]


def test_address_and_mac_of_an_annotation_are_for_the_first_interface() -> None:
    asked = Asked(addresses=(FOUR,), mac="02:00:5e:10:00:01", spoofed=(ip_network("10.9.0.0/24"),), pod_uid="u1")
    first, second = (with_asked(attachment(call(interface=name), "n1"), asked) for name in ("eth0", "net1"))
    assert endpoint(first, (FOUR,)).spec.mac == "02:00:5e:10:00:01" != second.mac
    assert second.asked.addresses == ()
    assert endpoint(first, (FOUR,)).spec.allow_spoofed_source_prefixes == asked.spoofed
    assert first.owner(0.0).attributes["uid"] == "u1"


def test_the_runtimes_word_about_the_pods_uid_counts_first() -> None:
    made = Call("ADD", Config(), "c1", "eth0", args={"K8S_POD_NAME": "web", "K8S_POD_UID": "told"})
    assert with_asked(attachment(made, "n1"), Asked(pod_uid="read")).uid == "told"


def result(version: str, *addresses: Address) -> dict[str, Any]:
    what = attachment(call(pod="web"), "n1")
    return add_result(version, attached(what, endpoint(what, addresses), 1450, "/run/netns/x"))


def test_a_result_has_the_shape_of_its_version() -> None:
    what = attachment(call(pod="web"), "n1")
    assert result("1.1.0", FOUR, SIX) == {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": what.host_interface},
            {"name": "eth0", "mac": what.mac, "sandbox": "/run/netns/x", "mtu": 1450},
        ],
        "ips": [{"interface": 1, "address": "10.65.0.2/32"}, {"interface": 1, "address": "fd00:65::2/128"}],
        "dns": {},
    }
    assert "mtu" not in result("1.0.0", FOUR)["interfaces"][1]
    assert result("0.4.0", FOUR, SIX)["ips"] == [
        {"interface": 1, "address": "10.65.0.2/32", "version": "4"},
        {"interface": 1, "address": "fd00:65::2/128", "version": "6"},
    ]
    assert addresses_of(result("1.0.0", FOUR, SIX)) == ["10.65.0.2", "fd00:65::2"]


def test_version_names_all_that_we_speak() -> None:
    supported = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
    assert version_result("0.4.0") == {"cniVersion": "0.4.0", "supportedVersions": supported}
