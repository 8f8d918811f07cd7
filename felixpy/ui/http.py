"""The little HTTP that the page needs: one GET, who may ask, and the heads of answers. Pure.

A browser's page from elsewhere must not read this one. So a request must name this server as a user types it (else
a name of somebody else's was made to lead here: DNS rebinding), and a browser's own word that another site asks is
taken. There is no answer that permits other origins, and nothing but GET.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD = 16 * 1024  # bytes of a request
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
REASONS = {
    200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    421: "Misdirected Request", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    path: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is answered: a status of RFC 9110 and a sentence."""

    status: int
    why: str


def request_of(head: bytes, hosts: Collection[str]) -> Request | Refusal:
    """The request of a head (up to its empty line). `hosts`: names, lower case, under which this server is asked."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        return Refusal(400, "this is not a request of HTTP/1.1")
    if words[0] != "GET":
        return Refusal(405, "this page only shows: there is nothing but GET")
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    refusal = _not_for_us(headers, hosts)
    if refusal is not None:
        return refusal
    try:
        parts = urlsplit(words[1])
        return Request(unquote(parts.path), dict(parse_qsl(parts.query, max_num_fields=16)))
    except ValueError:
        return Refusal(400, "the address of the request cannot be read")


def _not_for_us(headers: Mapping[str, list[str]], hosts: Collection[str]) -> Refusal | None:
    named = headers.get("host", [])
    if len(named) != 1 or host_of(named[0]) not in hosts:
        return Refusal(421, "this name is not one of this server's; --allow-host permits it")
    if headers.get("sec-fetch-site", ["none"]) not in (["none"], ["same-origin"]):
        mode = headers.get("sec-fetch-mode")
        if mode != ["navigate"] or headers.get("sec-fetch-dest") != ["document"]:
            return Refusal(403, "another site may not read this page")
    return None


def host_of(text: str) -> str:
    """`Host` without its port, lower case: `[::1]:8179` -> `[::1]`."""
    text = text.lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]


def head_of(status: int, kind: str, length: int | None) -> bytes:
    """The head of an answer; a `length` of None is a stream."""
    fields = {"Content-Type": kind, **SECURITY, "Connection": "close"}
    if length is not None:
        fields["Content-Length"] = str(length)
    if status == 405:
        fields["Allow"] = "GET"
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def event(kind: str, data: bytes) -> bytes:
    """One event of a stream; `data` is JSON, which has no line feed of its own."""
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
