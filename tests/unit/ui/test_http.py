"""Who may ask the page's server, and for what."""

import pytest

from felixpy.ui.http import LOOPBACK, Refusal, Request, event, head_of, host_of, request_of


def head(line: str = "GET / HTTP/1.1", host: str = "127.0.0.1:8179", **more: str) -> bytes:
    fields = {"Host": host, **{name.replace("_", "-"): value for name, value in more.items()}}
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]).encode()


def status(answer: Request | Refusal) -> int:
    return answer.status if isinstance(answer, Refusal) else 200


def test_a_question_has_its_path_and_its_words() -> None:
    asked = request_of(head("GET /trace?from=default%2Fa&to=b%3Cc HTTP/1.1"), LOOPBACK)
    assert asked == Request("/trace", {"from": "default/a", "to": "b<c"})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]:8179"])
def test_the_names_of_loopback_are_ours(host: str) -> None:
    assert status(request_of(head(host=host), LOOPBACK)) == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8179", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    """DNS rebinding: the browser takes us for evil.example, and says so."""
    assert status(request_of(head(host=host), LOOPBACK)) == 421


def test_two_names_are_none() -> None:
    twice = head().replace(b"\r\n\r\n", b"\r\nHost: evil.example\r\n\r\n")
    assert status(request_of(twice, LOOPBACK)) == 421


def test_a_name_that_is_allowed_is_answered() -> None:
    assert status(request_of(head(host="ui.example:443"), {*LOOPBACK, "ui.example"})) == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "CONNECT", "get"])
def test_there_is_nothing_but_get(method: str) -> None:
    assert status(request_of(head(f"{method} / HTTP/1.1"), LOOPBACK)) == 405


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_script_may_not_read(site: str) -> None:
    assert status(request_of(head(Sec_Fetch_Site=site, Sec_Fetch_Mode="cors"), LOOPBACK)) == 403
    link = head(Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    frame = head(Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe")
    assert (status(request_of(link, LOOPBACK)), status(request_of(frame, LOOPBACK))) == (200, 403)
    assert status(request_of(head(Sec_Fetch_Site="same-origin"), LOOPBACK)) == 200


@pytest.mark.parametrize(
    "raw", [b"\r\n\r\n", b"GET /\r\n\r\n", b"GET http://x/ HTTP/1.1\r\n\r\n", b"\xff\x00 / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    assert status(request_of(raw, LOOPBACK)) in (400, 405)


def test_every_answer_forbids_other_sources_and_permits_no_other_origin() -> None:
    for code in (200, 404, 405, 421):
        text = head_of(code, "text/plain", 3).decode()
        assert "default-src 'none'" in text and "frame-ancestors 'none'" in text and "nosniff" in text
        assert "Access-Control" not in text and "unsafe" not in text
    assert "Allow: GET" in head_of(405, "text/plain", 0).decode()


def test_an_event_is_one_line_of_data() -> None:
    assert event("seen", b'{"a":"\\n"}') == b'event: seen\ndata: {"a":"\\n"}\n\n'


def test_a_host_may_have_a_port_or_none() -> None:
    assert [host_of(it) for it in ("[::1]", "[::1]:80", "A.b:1", "a")] == ["[::1]", "[::1]", "a.b", "a"]
