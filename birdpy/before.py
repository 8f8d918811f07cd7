"""What kernel settings were before we changed them, so that they can be put back. Edge: one small file.

It lies in the run folder, which is emptied by a reboot as the settings themselves are.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from birdpy.desired.nearby import PROBES
from felixpy.kernel.owners import setting_owner
from felixpy.kernel.sysctls import KernelSysctls
from felixpy.model.sysctls import Sysctl, SysctlKey
from felixpy.reconcile.plan import Plan

FILE_NAME = "birdpy-settings.json"


def load(path: Path) -> dict[SysctlKey, str]:
    """The values by setting; empty when there is no usable file. What is not ours to change is left out."""
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, ValueError):
        return {}
    return {SysctlKey(name): value for name, value in rows.items() if setting_owner(name) == "birdpy"}


def save(path: Path, before: Mapping[SysctlKey, str]) -> None:
    """Write the file in one step, or remove it when there is nothing to put back; OSError when that fails."""
    if not before:
        path.unlink(missing_ok=True)
        return
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(msgspec.json.encode({key.path: value for key, value in before.items()}))
    draft.rename(path)


def still_ours(sysctls: KernelSysctls, before: Mapping[SysctlKey, str]) -> Mapping[SysctlKey, Sysctl]:
    """The settings to put back, with their former values: those that nobody changed after us."""
    rows = {}
    for key, value in before.items():
        ours = PROBES.get(key.path.rpartition("/")[2])
        if sysctls.value(key) == ours != value:
            rows[key] = Sysctl(key, value, "as it was before birdpy")
    return rows


async def put_back(sysctls: KernelSysctls, before: Mapping[SysctlKey, str]) -> Collection[SysctlKey]:
    """Give these settings their former values; which of them have it now."""
    rows = still_ours(sysctls, before)
    refused = await sysctls.apply(Plan(rows))
    return rows.keys() - refused.keys()
