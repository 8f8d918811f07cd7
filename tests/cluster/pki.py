"""Certificates and kubeconfigs of a cluster, by openssl: one authority, one certificate for each who speaks."""

import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KUBECONFIG = """apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "{server}", certificate-authority: {folder}/ca.crt}}}}]
contexts: [{{name: here, context: {{cluster: here, user: {name}}}}}]
users: [{{name: {name}, user: {{client-certificate: {folder}/{name}.crt, client-key: {folder}/{name}.key}}}}]
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority and what it signed, all in one folder as NAME.crt and NAME.key."""

    folder: Path

    @classmethod
    def new(cls, folder: Path) -> "Authority":
        """A new authority, and the key pair that signs service account tokens (`sa.key`, `sa.pub`)."""
        folder.mkdir(parents=True)
        made = cls(folder)
        made._key("ca")
        _openssl("req", "-x509", "-new", "-key", f"{folder}/ca.key", "-subj", "/CN=cluster", "-days", "365",
                 "-out", f"{folder}/ca.crt")  # fmt: skip
        _openssl("genrsa", "-out", f"{folder}/sa.key", "2048")
        _openssl("rsa", "-in", f"{folder}/sa.key", "-pubout", "-out", f"{folder}/sa.pub")
        return made

    def sign(self, name: str, user: str, groups: Sequence[str] = (), names: Sequence[str] = ()) -> None:
        """NAME.crt for a client `user` in `groups`, and for a server of those `names` (`DNS:...`, `IP:...`)."""
        self._key(name)
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        place = f"{self.folder}/{name}"
        _openssl("req", "-new", "-key", f"{place}.key", "-subj", subject, "-out", f"{place}.csr")
        wanted = "extendedKeyUsage=serverAuth,clientAuth\n"
        if names:
            wanted += f"subjectAltName={','.join(names)}\n"
        Path(f"{place}.ext").write_text(wanted)
        _openssl("x509", "-req", "-in", f"{place}.csr", "-CA", f"{self.folder}/ca.crt", "-CAkey",
                 f"{self.folder}/ca.key", "-set_serial", f"0x{secrets.token_hex(8)}", "-days", "365",
                 "-extfile", f"{place}.ext", "-out", f"{place}.crt")  # fmt: skip

    def kubeconfig(self, name: str, server: str) -> Path:
        """NAME.conf, which speaks to `server` with NAME's certificate."""
        place = self.folder / f"{name}.conf"
        place.write_text(KUBECONFIG.format(server=server, folder=self.folder, name=name))
        return place

    def _key(self, name: str) -> None:
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{self.folder}/{name}.key")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
