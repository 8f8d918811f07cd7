"""Which datastore a program means: flag, environment, the cluster it runs in, else the one running lab."""

import os
from pathlib import Path

from felixpy.daemon.paths import labs_dir
from felixpy.datastore.files import FilesDatastore
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.shelf import Shelf
from felixpy.datastore.source import DocumentStore
from felixpy.model.errors import Usage

ENV = "FELIXPY_DATASTORE"
FORMS = "files:DIR or kubernetes[:KUBECONFIG]"


def open_datastore(text: str | None, lab: str | None = None, scope: Scope | None = None) -> DocumentStore:
    """The datastore that `--datastore` and `--lab` name, or the default one. Nothing is read or made yet.

    `scope` is what a daemon looks at of a cluster, and where it writes down what it knows; without it everything and
    nowhere. Usage when they name none, both, or when the default is not unique.
    """
    if text and lab:
        raise Usage("give --datastore or --lab, not both")
    if lab:
        return _files(_lab_store(lab), scope)
    if text:
        return _parse(text, "--datastore", scope)
    if os.environ.get(ENV):
        return _parse(os.environ[ENV], ENV, scope)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _parse("kubernetes", "this pod's own cluster", scope)
    labs = running_labs()
    if not labs:
        raise Usage(f"no datastore: give --datastore {FORMS}, set {ENV}, or deploy a lab")
    if len(labs) > 1:
        raise Usage(f"{len(labs)} labs are running ({', '.join(labs)}): choose one with --lab")
    return _files(_lab_store(labs[0]), scope)


def running_labs() -> list[str]:
    """The names of the labs in the registry."""
    try:
        return sorted(path.parent.name for path in labs_dir().glob("*/lab.json"))
    except OSError:
        return []


def _lab_store(lab: str) -> Path:
    labs = running_labs()
    if lab not in labs:
        known = f"running: {', '.join(labs)}" if labs else "none is running"
        raise Usage(f"no lab is named {lab!r}; {known}")
    return labs_dir() / lab / "store"


def _files(root: Path, scope: Scope | None) -> FilesDatastore:
    return FilesDatastore(root, shelf=Shelf(scope.node, *scope.keep) if scope and scope.keep else None)


def _parse(text: str, origin: str, scope: Scope | None) -> DocumentStore:
    scheme, _, rest = text.partition(":")
    if scheme == "files" and rest:
        return _files(Path(rest).expanduser(), scope)
    if scheme == "kubernetes":
        from felixpy.datastore.kubernetes.access import find_access
        from felixpy.datastore.kubernetes.store import KubernetesDatastore

        return KubernetesDatastore.at(find_access(rest), scope)
    raise Usage(f"{origin}: {text!r} is not {FORMS}")
