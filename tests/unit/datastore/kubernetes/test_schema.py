"""The CustomResourceDefinitions in manifests/crds are those that the code makes."""

from pathlib import Path

import yaml

from felixpy.datastore.kubernetes import schema

FILE = Path(__file__).parents[4] / "manifests" / "crds" / "crds.yaml"


def test_the_file_is_current() -> None:
    assert FILE.read_text() == schema.text(), "run make crds"


def test_every_object_names_its_fields_and_lets_others_pass() -> None:
    documents = list(yaml.safe_load_all(schema.text()))
    assert len(documents) == 11
    pool = next(one for one in documents if one["spec"]["names"]["kind"] == "IPPool")
    spec = pool["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["cidr"] == {"type": "string"} and spec["required"] == ["cidr"]
    assert spec["x-kubernetes-preserve-unknown-fields"] is True
