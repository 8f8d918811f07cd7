"""Where the API server is and how this program proves who it is: a pod's service account, or a kubeconfig.

Edge. Tokens are read from their file again and again, for the kubelet replaces them; they never get into an error,
a log or a `repr`.
"""

import base64
import binascii
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from felixpy.datastore.documents import load_document
from felixpy.datastore.kubernetes.credential import run_plugin
from felixpy.model.errors import Trouble, Unreachable, Usage

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_AGE_S = 60.0  # a projected token is replaced at 80 % of its life, an hour at least

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Access:
    """One API server and this program's identity there."""

    target: str  # for people
    host: str
    port: int
    tls: ssl.SSLContext = field(repr=False)
    server_name: str = ""  # "" means `host`
    base: str = ""  # a path before all others, for servers behind a proxy
    credentials: Callable[[bool], Headers] = field(default=lambda fresh: (), repr=False)
    namespace: str = "default"

    @property
    def authority(self) -> str:
        """`host:port` as it stands in requests."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def find_access(argument: str = "") -> Access:
    """What `--datastore kubernetes[:KUBECONFIG]` means; without argument the pod's own cluster, else a kubeconfig.

    An argument without a slash that is no file is a context of the default kubeconfig. Usage when there is none.
    """
    if not argument and os.environ.get("KUBERNETES_SERVICE_HOST") and (ACCOUNT / "token").exists():
        return in_cluster()
    path, context = Path(argument).expanduser(), ""
    if not argument or ("/" not in argument and not path.exists()):
        path, context = _default_kubeconfig(), argument
    return from_kubeconfig(path, context)


def in_cluster(account: Path = ACCOUNT) -> Access:
    """As every pod may: by its service account's token, at the address that its environment names."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
        namespace = (account / "namespace").read_text().strip() if (account / "namespace").exists() else "default"
    except OSError as error:
        raise Trouble(f"{account}: the service account cannot be read: {error.strerror}") from error
    if not port.isdecimal():
        raise Usage(f"KUBERNETES_SERVICE_PORT={port}: not a port")
    tls.set_alpn_protocols(["h2"])
    token = _token_file(account / "token")
    return Access("kubernetes:in-cluster", host.strip("[]"), int(port), tls, credentials=token, namespace=namespace)


def from_kubeconfig(path: Path, context: str = "") -> Access:
    """As kubectl does, by the context that is named or current; Usage says what the file lacks."""
    try:
        config = load_document(path.read_bytes(), str(path))
    except OSError as error:
        raise Usage(f"{path}: this kubeconfig cannot be read: {error.strerror}") from error
    wanted = context or _text(config, "current-context")
    chosen = _named(config, "context", wanted, path)
    cluster = _named(config, "cluster", _text(chosen, "cluster"), path)
    user = _named(config, "user", _text(chosen, "user"), path) if chosen.get("user") else {}
    url = urlsplit(_text(cluster, "server"))
    if url.scheme != "https" or not url.hostname:
        raise Usage(f"{path}: cluster.server {url.geturl()!r}: must be https://HOST[:PORT]")
    try:
        tls = _tls(cluster, path)
        credentials = _identity(user, tls, path)
    except (OSError, binascii.Error) as error:
        raise Usage(f"{path}: its certificates or keys cannot be used: {error}") from error
    return Access(
        f"kubernetes:{path}{f' ({wanted})' if wanted else ''}",
        url.hostname,
        url.port or 443,
        tls,
        _text(cluster, "tls-server-name"),
        url.path.rstrip("/"),
        credentials,
        _text(chosen, "namespace") or "default",
    )


def _default_kubeconfig() -> Path:
    """The first file of $KUBECONFIG that exists, else ~/.kube/config."""
    files = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    for path in (*files, Path("~/.kube/config").expanduser()):
        if path.exists():
            return path
    raise Usage("no kubeconfig: give --datastore kubernetes:KUBECONFIG or set KUBECONFIG")


def _text(mapping: object, key: str) -> str:
    value = mapping.get(key) if isinstance(mapping, Mapping) else None
    return str(value) if value else ""


def _named(config: object, what: str, name: str, path: Path) -> Mapping[str, Any]:
    entries = config.get(f"{what}s") if isinstance(config, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and entry.get("name") == name and isinstance(entry.get(what), Mapping):
            return dict(entry[what])
    raise Usage(f"{path}: holds no {what} named {name!r}")


def _tls(cluster: Mapping[str, Any], path: Path) -> ssl.SSLContext:
    if _text(cluster, "proxy-url"):
        raise Usage(f"{path}: proxy-url is not supported: reach the API server directly")
    tls = ssl.create_default_context()
    tls.set_alpn_protocols(["h2"])
    if data := _text(cluster, "certificate-authority-data"):
        tls.load_verify_locations(cadata=base64.b64decode(data).decode("ascii"))
    elif name := _text(cluster, "certificate-authority"):
        tls.load_verify_locations(cafile=str(path.parent / name))
    if cluster.get("insecure-skip-tls-verify") is True:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls


def _identity(user: Mapping[str, Any], tls: ssl.SSLContext, path: Path) -> Callable[[bool], Headers]:
    certificate = _pem(user, "client-certificate", path)
    if certificate:
        _load_pair(tls, certificate, _pem(user, "client-key", path))
    if name := _text(user, "tokenFile"):
        return _token_file(path.parent / name)
    if token := _text(user, "token"):
        bearer: Headers = (("authorization", f"Bearer {token}"),)
        return lambda fresh: bearer
    if isinstance(user.get("exec"), Mapping):
        plugin = dict(user["exec"])
        held: list[Headers] = []

        def asked(fresh: bool) -> Headers:
            if fresh or not held:
                found = run_plugin(plugin, path.parent)
                if found.certificate:
                    _load_pair(tls, found.certificate, found.key)
                held[:] = [(("authorization", f"Bearer {found.token}"),) if found.token else ()]
            return held[0]

        return asked
    if name := _text(user, "username"):
        secret = base64.b64encode(f"{name}:{_text(user, 'password')}".encode()).decode()
        return lambda fresh: (("authorization", f"Basic {secret}"),)
    return lambda fresh: ()


def _pem(user: Mapping[str, Any], field_name: str, path: Path) -> bytes:
    if data := _text(user, f"{field_name}-data"):
        return base64.b64decode(data)
    name = _text(user, field_name)
    return (path.parent / name).read_bytes() if name else b""


def _load_pair(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python reads certificates from files only: from one without a name, so that no key gets to a disk."""
    descriptor = os.memfd_create("client certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, certificate + b"\n" + key)
        tls.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _token_file(path: Path) -> Callable[[bool], Headers]:
    """The token of a file, read anew every minute, and at once when the server has refused it."""
    held: list[tuple[float, Headers]] = []

    def read(fresh: bool) -> Headers:
        now = time.monotonic()
        if fresh or not held or now - held[0][0] > TOKEN_AGE_S:
            try:
                token = path.read_text().strip()
            except OSError as error:
                if held and not fresh:
                    return held[0][1]
                raise Unreachable(f"{path}: the token cannot be read: {error.strerror}") from error
            held[:] = [(now, (("authorization", f"Bearer {token}"),))]
        return held[0][1]

    return read
