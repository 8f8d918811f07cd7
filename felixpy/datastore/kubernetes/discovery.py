"""What this server serves: which group holds Calico's kinds, which version EndpointSlices have. Edge.

A cluster of Calico keeps its objects in `crd.projectcalico.org/v1`; its newest releases can keep them in
`projectcalico.org/v3` itself. Whatever is there is used as it is.
"""

import asyncio
from copy import copy
from dataclasses import replace

import msgspec

from felixpy.datastore.kubernetes.api import Api, Rejected, Request
from felixpy.datastore.kubernetes.objects import Objects
from felixpy.datastore.kubernetes.places import CRD_GROUP, V3_GROUP, Place, Scope, Served, place
from felixpy.model.resources import KINDS, IPAMConfig, Spec
from felixpy.model.resources.kinds import CALICO


class Version(msgspec.Struct, rename="camel"):
    """One version of a group."""

    version: str = ""


class Group(msgspec.Struct):
    """metav1.APIGroup."""

    name: str = ""
    versions: list[Version] = []


class Groups(msgspec.Struct):
    """metav1.APIGroupList."""

    groups: list[Group] = []


class Kept(msgspec.Struct):
    """metav1.APIResource."""

    name: str = ""


class Resources(msgspec.Struct):
    """metav1.APIResourceList."""

    resources: list[Kept] = []


class Way:
    """One API server, what it serves, and what of it one program looks at."""

    def __init__(self, api: Api, scope: Scope) -> None:
        self.api, self.scope = api, scope
        self.objects = Objects(api.access.target)
        self.seen: dict[type[Spec], str] = {}  # the newest version of each kind that this process has read or written
        self._known = False
        self._asking = asyncio.Lock()

    async def place(self, kind: type[Spec]) -> Place:
        """Where `kind` is kept."""
        await self.discover()
        return place(kind, self.scope, self.objects.served)

    def widened(self) -> "Way":
        """The same server, of which everything is looked at."""
        wide = copy(self)
        wide.scope = Scope()
        return wide

    async def discover(self, *, again: bool = False) -> Served:
        """Ask the server what it serves, once. Unreachable when it does not answer."""
        async with self._asking:
            if again or not self._known:
                self.objects.served = await _served(self.api)
                self._known = True
            return self.objects.served


async def _served(api: Api) -> Served:
    found = msgspec.json.decode(await api.call(Request("GET", "/apis")), type=Groups)
    versions = {group.name: [one.version for one in group.versions] for group in found.groups}
    calico = CALICO if CRD_GROUP not in versions and "v3" in versions.get(V3_GROUP, []) else Served().calico
    slices = versions.get("discovery.k8s.io", ["v1"])
    served = Served(calico, f"discovery.k8s.io/{'v1' if 'v1' in slices else slices[0]}")
    return replace(served, missing=await _missing(api, served))


async def _missing(api: Api, served: Served) -> frozenset[type[Spec]]:
    try:
        data = await api.call(Request("GET", f"/apis/{served.calico}"))
    except Rejected as error:
        if error.code != 404:
            raise
        there: set[str] = set()
    else:
        there = {one.name for one in msgspec.json.decode(data, type=Resources).resources}
    if "ipamconfigurations" in there:
        there.add(KINDS[IPAMConfig].plural)
    calico = (kind for kind in KINDS.values() if kind.api == CALICO)
    own = ("nodes", "workloadendpoints")
    return frozenset(kind.spec for kind in calico if kind.plural not in there and kind.plural not in own)
