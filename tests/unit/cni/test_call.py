"""What a runtime asks: every way to ask wrongly, each with the specification's code."""

import json
from typing import Any

import pytest

from felixpy.cni.call import Call, parse_args, parse_call, version_of
from felixpy.cni.errors import CniError, document
from felixpy.cni.wire import VERSIONS

ADD = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "0123456789abcdef",
    "CNI_NETNS": "/run/netns/x",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=web",
}


def config(**fields: Any) -> bytes:
    return json.dumps({"cniVersion": "1.1.0", "name": "k8s-pod-network", "type": "felixpy", **fields}).encode()


def refused(env: dict[str, str], stdin: bytes) -> CniError:
    with pytest.raises(CniError) as raised:
        call = parse_call(env, stdin)
        call.assigns(4), call.assigns(6)
    return raised.value


def test_a_call_of_kubernetes_names_pod_and_handle() -> None:
    call = parse_call(ADD, config(mtu=1400, ipam={"assign_ipv6": "true", "ipv4_pools": ["a"]}))
    assert (call.pod, call.namespace, call.handle) == ("web", "team-a", "k8s-pod-network.0123456789abcdef")
    assert (call.config.mtu, call.assigns(4), call.assigns(6), call.pools(4)) == (1400, None, True, ("a",))


def test_without_arguments_there_is_no_pod() -> None:
    call = parse_call({**ADD, "CNI_ARGS": ""}, config())
    assert (call.pod, call.namespace) == ("", "default")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_we_speak_is_accepted(version: str) -> None:
    assert parse_call(ADD, config(cniVersion=version)).config.cni_version == version


@pytest.mark.parametrize(
    ("env", "stdin", "code", "says"),
    [
        ({"CNI_COMMAND": "EAT"}, config(), 4, "CNI_COMMAND is 'EAT'"),
        ({"CNI_COMMAND": ""}, config(), 4, "known: ADD"),
        ({"CNI_CONTAINERID": ""}, config(), 4, "CNI_CONTAINERID not set"),
        ({"CNI_NETNS": ""}, config(), 4, "CNI_NETNS not set"),
        ({"CNI_IFNAME": ""}, config(), 4, "CNI_IFNAME not set"),
        ({"CNI_CONTAINERID": "../../etc"}, config(), 4, "CNI_CONTAINERID '../../etc' is not valid"),
        ({"CNI_CONTAINERID": "a" * 201}, config(), 4, "is not valid"),
        ({"CNI_IFNAME": "a/b"}, config(), 4, "CNI_IFNAME 'a/b' is not valid"),
        ({"CNI_IFNAME": "interface0123456"}, config(), 4, "is not valid"),
        ({"CNI_IFNAME": ".."}, config(), 4, "is not valid"),
        ({"CNI_IFNAME": "lo"}, config(), 4, "is not valid"),
        ({}, b"{", 6, "no JSON"),
        ({}, b"\xff\xfe", 6, "no JSON"),
        ({}, b"[" * 100_000, 6, "no JSON"),
        ({}, b"[]", 7, "not valid"),
        ({}, config(name=""), 7, "name is made of letters"),
        ({}, config(mtu=70000), 7, "mtu"),
        ({}, config(mtu="big"), 7, "mtu"),
        ({}, config(ipam={"ipv4_pools": "a"}), 7, "ipv4_pools"),
        ({}, config(ipam={"assign_ipv6": "maybe"}), 7, "write true or false"),
        ({}, config(runtimeConfig={"ips": ["1.2.3"]}), 7, "a wanted address is none"),
        ({"CNI_ARGS": "IP=nonsense"}, config(), 7, "a wanted address is none"),
        ({}, config(cniVersion="0.2.0"), 1, "this plugin speaks 0.3.0"),
        ({}, config(cniVersion="2.0.0"), 1, "'2.0.0' is not supported"),
    ],
)
def test_a_wrong_call_is_answered_with_the_code_of_its_fault(
    env: dict[str, str], stdin: bytes, code: int, says: str
) -> None:
    error = refused({**ADD, **env}, stdin)
    assert error.code == code
    assert says in str(error)


def test_del_needs_no_namespace() -> None:
    assert parse_call({**ADD, "CNI_COMMAND": "DEL", "CNI_NETNS": ""}, config()).command == "DEL"


def test_wanted_addresses_come_from_arguments_and_capabilities() -> None:
    call = parse_call({**ADD, "CNI_ARGS": "IP=10.65.0.9"}, config(runtimeConfig={"ips": ["fd00::9/128"]}))
    assert [str(address) for address in call.addresses] == ["fd00::9", "10.65.0.9"]


def test_an_error_is_answered_in_the_callers_version_if_it_has_one() -> None:
    assert version_of(config(cniVersion="0.4.0")) == "0.4.0"
    assert [version_of(stdin) for stdin in (b"{", b"[]", config(cniVersion="9"))] == ["1.1.0"] * 3
    assert document("0.4.0", CniError(7, "m", "d")) == {"cniVersion": "0.4.0", "code": 7, "msg": "m", "details": "d"}


def test_arguments_without_a_value_are_left_out() -> None:
    assert parse_args("a=1;b;;c=2=3") == {"a": "1", "c": "2=3"}
    assert isinstance(parse_call({"CNI_COMMAND": "VERSION"}, b""), Call)
