"""A credential plugin of a kubeconfig (`users[].user.exec`), as clouds have them: a program that prints a token."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from felixpy.model.errors import Unreachable

PATIENCE_S = 60.0  # some open a browser


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin gave."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


def run_plugin(plugin: Mapping[str, Any], folder: Path) -> Credential:
    """Run it once (client.authentication.k8s.io ExecCredential). Unreachable when it gives nothing."""
    command = str(plugin.get("command") or "")
    if "/" in command:
        command = str(folder / command)
    version = str(plugin.get("apiVersion") or "client.authentication.k8s.io/v1")
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    given = {str(one["name"]): str(one.get("value", "")) for one in plugin.get("env") or () if "name" in one}
    env = {**os.environ, **given, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}
    arguments = [command, *(str(argument) for argument in plugin.get("args") or ())]
    try:
        done = subprocess.run(arguments, env=env, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True)
        status = msgspec.json.decode(done.stdout)["status"]
        return Credential(
            str(status.get("token") or ""),
            str(status.get("clientCertificateData") or "").encode(),
            str(status.get("clientKeyData") or "").encode(),
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = str(plugin.get("installHint") or "")[:200]
        raise Unreachable(f"credential plugin {command}: {type(error).__name__}. {hint}".rstrip()) from error
