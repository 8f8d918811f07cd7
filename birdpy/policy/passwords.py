"""An MD5 password out of a Secret, or the reason why there is none. Pure."""

import base64
import binascii
from collections.abc import Mapping

from felixpy.model.resources import Resource, Secret, SecretKeyRef

LONGEST = 80  # TCP_MD5SIG_MAXKEYLEN, linux/tcp.h


def password_of(
    secrets: Mapping[str, Resource[Secret]], reference: SecretKeyRef, namespace: str
) -> tuple[str | None, str | None]:
    """The password and None, or None and the reason why the session has to stay down.

    Calico brings such a session up without MD5; we hold it down, because a peer believed without its password is
    worse than a peer that is missing.
    """
    where = f"secret {namespace}/{reference.name}"
    secret = secrets.get(f"{namespace}/{reference.name}")
    if secret is None:
        return None, f"{where} does not exist; create it with the key {reference.key}"
    encoded = secret.spec.data.get(reference.key)
    if encoded is None:
        return None, f"{where} has no key {reference.key}"
    try:
        password = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None, f"{where}, key {reference.key}: not base64 of text"
    if not password:
        return None, f"{where}, key {reference.key}: the password is empty"
    if len(password.encode()) > LONGEST:
        return None, f"{where}, key {reference.key}: longer than the {LONGEST} bytes that TCP MD5 takes"
    return password, None
