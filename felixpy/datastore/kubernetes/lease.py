"""A coordination.k8s.io/v1 Lease, held as client-go's leader election holds one. Edge.

A lease runs out when its holder has not renewed it for HOLD_S on *our* clock: the times that are written in it are
another machine's, and only whether they change is believed.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from felixpy.datastore.kubernetes.api import Api, Rejected, Request
from felixpy.datastore.lease import HOLD_S
from felixpy.model.errors import Trouble


class KubernetesLease:
    """As `Lease`."""

    def __init__(self, api: Api, name: str, me: str) -> None:
        self._api, self._name, self._me = api, name, me
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{api.access.namespace}/leases"
        self._ours: dict[str, Any] | None = None  # the object as we wrote it last
        self._seen: tuple[str, float] = ("", 0.0)  # the version that another wrote, and when we first saw it

    async def hold(self) -> bool:
        """As `Lease.hold`."""
        if self._ours is not None and await self._write(self._ours):
            return True
        stored = await self._read()
        if stored is None:
            return await self._write(None)
        if self._free(stored):
            return await self._write(stored)
        return False

    async def holder(self) -> str:
        """As `Lease.holder`."""
        stored = await self._read()
        return str((stored or {}).get("spec", {}).get("holderIdentity") or "")

    async def let_go(self) -> None:
        """As `Lease.let_go`."""
        if self._ours is None:
            return
        spec = {**self._ours["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        with suppress(Trouble):  # it runs out by itself
            await self._put({**self._ours, "spec": spec})
        self._ours = None

    def _free(self, stored: dict[str, Any]) -> bool:
        spec = stored.get("spec", {})
        if spec.get("holderIdentity") in ("", None, self._me):
            return True
        version, now = stored["metadata"]["resourceVersion"], time.monotonic()
        if self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1] > max(HOLD_S, float(spec.get("leaseDurationSeconds") or 0))

    async def _read(self) -> dict[str, Any] | None:
        try:
            data = await self._api.call(Request("GET", f"{self._path}/{self._name}"))
        except Rejected as error:
            if error.code == 404:
                return None
            raise
        return dict(msgspec.json.decode(data))

    async def _write(self, stored: dict[str, Any] | None) -> bool:
        """Take or renew it; False when another was faster."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict((stored or {}).get("spec", {}))
        if spec.get("holderIdentity") != self._me:
            taken = int(spec.get("leaseTransitions") or 0) + (stored is not None)
            spec |= {"holderIdentity": self._me, "acquireTime": now, "leaseTransitions": taken}
        spec |= {"renewTime": now, "leaseDurationSeconds": int(HOLD_S)}
        made = stored or {"metadata": {"name": self._name}}
        made = {**made, "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
        try:
            self._ours = await self._put(made)
        except Rejected as error:
            self._ours = None
            if error.code in (404, 409):
                return False
            raise
        return True

    async def _put(self, made: dict[str, Any]) -> dict[str, Any]:
        body = msgspec.json.encode(made)
        known = "resourceVersion" in made["metadata"]
        request = Request("PUT", f"{self._path}/{self._name}", body) if known else Request("POST", self._path, body)
        return dict(msgspec.json.decode(await self._api.call(request)))
