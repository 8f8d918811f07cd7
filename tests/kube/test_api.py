"""Requests when the server is busy, slow, away, or does not know us any more."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from felixpy.datastore.kubernetes import api
from felixpy.datastore.kubernetes.access import from_kubeconfig
from felixpy.datastore.kubernetes.api import Api, Rejected, Request
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.places import Scope
from felixpy.model.errors import Unreachable
from tests.kube.proxy import Answer, Teller, told
from tests.kube.server import ApiServer

FINE: Answer = (200, {}, b"{}")


def refusal(code: int, reason: str, **headers: str) -> Answer:
    return code, headers, json.dumps({"kind": "Status", "reason": reason, "message": "no", "code": code}).encode()


def speaking(server: ApiServer, folder: Path, teller: Teller, body: Callable[[Api, Teller], Awaitable[None]]) -> None:
    async def main() -> None:
        async with told(server, teller, folder / "kubeconfig"), asyncio.timeout(20):
            client = Api(from_kubeconfig(folder / "kubeconfig"))
            try:
                await body(client, teller)
            finally:
                await client.close()

    asyncio.run(main())


def test_a_server_that_is_busy_is_asked_again_when_it_says(api_server: ApiServer, tmp_path: Path) -> None:
    answers = iter([refusal(429, "TooManyRequests", **{"retry-after": "1"}), FINE])

    async def body(client: Api, teller: Teller) -> None:
        begun = time.monotonic()
        assert await client.call(Request("PUT", "/x", b"{}")) == b"{}"
        assert 1.0 <= time.monotonic() - begun < 5 and len(teller.asked) == 2

    speaking(api_server, tmp_path, Teller(lambda *_: next(answers)), body)


def test_a_write_that_may_have_been_done_is_not_done_again(api_server: ApiServer, tmp_path: Path) -> None:
    async def body(client: Api, teller: Teller) -> None:
        with pytest.raises(Unreachable, match="503"):
            await client.call(Request("PUT", "/x", b"{}"))
        assert len(teller.asked) == 1
        with pytest.raises(Rejected) as caught:
            await client.call(Request("GET", "/no"))
        assert (caught.value.code, caught.value.reason) == (409, "Conflict")

    def answer(method: str, path: str, _: dict[str, str]) -> Answer:
        return refusal(409, "Conflict") if path == "/no" else refusal(503, "ServiceUnavailable")

    speaking(api_server, tmp_path, Teller(answer), body)


def test_a_token_that_expired_is_read_anew_from_its_file(api_server: ApiServer, tmp_path: Path) -> None:
    def answer(method: str, path: str, head: dict[str, str]) -> Answer:
        return FINE if head["authorization"] == "Bearer second" else refusal(401, "Unauthorized")

    async def body(client: Api, teller: Teller) -> None:
        with pytest.raises(Unreachable, match="401"):
            await client.call(Request("GET", "/x"))
        (tmp_path / "token").write_text("second\n")
        assert await client.call(Request("GET", "/x")) == b"{}"
        assert teller.connections == 1
        assert "second" not in repr(client.access)

    speaking(api_server, tmp_path, Teller(answer), body)


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(client: Api, teller: Teller) -> None:
        with pytest.raises(Unreachable, match="no answer within 0 s"):
            await client.call(Request("PUT", "/slow", b"{}", patience_s=0.3))
        assert await client.call(Request("GET", "/quick")) == b"{}", "the others are served on the same connection"
        assert teller.connections == 1

    speaking(api_server, tmp_path, Teller(lambda _, path, __: None if path == "/slow" else FINE), body)


def test_a_connection_that_says_nothing_is_found_dead(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's machine is gone: no answer to a ping either."""
    from felixpy.datastore.kubernetes import http2

    monkeypatch.setattr(http2, "QUIET_S", 0.2)
    monkeypatch.setattr(http2, "ANSWER_S", 0.2)

    class Deaf(Teller):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(5)
            writer.transport.abort()

    async def body(client: Api, teller: Teller) -> None:
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="nothing came"):
            await client.call(Request("PUT", "/x", b"{}"))
        assert time.monotonic() - begun < 3

    speaking(api_server, tmp_path, Deaf(lambda *_: FINE), body)


def test_many_requests_at_once_share_one_connection(api_server: ApiServer, tmp_path: Path) -> None:
    async def body(client: Api, teller: Teller) -> None:
        answers = await asyncio.gather(*(client.call(Request("GET", f"/{number}")) for number in range(300)))
        assert answers == [b"{}"] * 300 and teller.connections == 1

    speaking(api_server, tmp_path, Teller(lambda *_: FINE), body)


def test_whoever_does_not_speak_http_2_is_named(api_server: ApiServer, tmp_path: Path) -> None:
    async def main() -> None:
        listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            (tmp_path / "k").write_text(
                f"current-context: c\nclusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}'}}}}]\n"
                "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n"
            )
            client = Api(from_kubeconfig(tmp_path / "k"))
            with pytest.raises(Unreachable, match="no API server"):
                await client.call(Request("GET", "/x"))
            await client.close()

    asyncio.run(main())


def test_the_real_server_takes_a_token_and_refuses_who_may_not(api_server: ApiServer, tmp_path: Path) -> None:
    if api_server.control is None:
        pytest.skip("a server that is not ours has other tokens")
    text = api_server.kubeconfig.read_text()
    (tmp_path / "k").write_text(
        text[: text.index("users:")] + "users: [{name: admin, user: {token: nobody-token}}]\n"
    )

    async def main() -> None:
        client = Api(from_kubeconfig(tmp_path / "k"))
        with pytest.raises(Rejected, match="403 Forbidden"):
            await client.call(Request("GET", "/api/v1/nodes"))
        await client.close()

    asyncio.run(main())
    assert api.TRIES > 1


def groups(**versions: str) -> Answer:
    made = [{"name": name.replace("_", "."), "versions": [{"version": one}]} for name, one in versions.items()]
    return 200, {}, json.dumps({"groups": made}).encode()


@pytest.mark.parametrize(
    ("there", "calico", "slices"),
    [
        ({"crd_projectcalico_org": "v1", "discovery_k8s_io": "v1beta1"}, "crd.projectcalico.org/v1", "v1beta1"),
        ({"projectcalico_org": "v3", "discovery_k8s_io": "v1"}, "projectcalico.org/v3", "v1"),
        ({"projectcalico_org": "v3", "crd_projectcalico_org": "v1"}, "crd.projectcalico.org/v1", "v1"),
        ({}, "crd.projectcalico.org/v1", "v1"),
    ],
)
def test_the_group_that_a_cluster_serves_is_used(
    api_server: ApiServer, tmp_path: Path, there: dict[str, str], calico: str, slices: str
) -> None:
    async def body(client: Api, teller: Teller) -> None:
        served = await Way(client, Scope()).discover()
        assert (served.calico, served.slices) == (calico, f"discovery.k8s.io/{slices}")

    def answer(method: str, path: str, _: dict[str, str]) -> Answer:
        return groups(**there) if path == "/apis" else refusal(404, "NotFound")

    speaking(api_server, tmp_path, Teller(answer), body)
