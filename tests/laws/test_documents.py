"""Laws of loading and storing: nothing is lost on the way, and no bytes bring the loader down."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from felixpy.datastore.decode import decode
from felixpy.datastore.documents import dump_yaml, load_document, load_documents
from felixpy.datastore.encode import encode, merge
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import KINDS

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), TEXT)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=5)
NAMES = [kind.name for kind in KINDS.values()]
FIELDS = sorted({f.encode_name for kind in KINDS for f in msgspec.structs.fields(kind)})
SPEC = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6)


@given(OBJECT)
@settings(max_examples=80, deadline=None)
def test_what_is_dumped_loads_as_it_was(document: dict[str, Any]) -> None:
    assert load_documents(dump_yaml(document).encode(), "f") == [document]


@given(st.one_of(st.binary(max_size=60), st.text(alphabet="[]{}:,-&*!|>'\"#%@ \nab1.~", max_size=60).map(str.encode)))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_documents_or_one_error(data: bytes) -> None:
    try:
        load_documents(data, "f")
    except InvalidResource as error:
        assert error.where == "f" and error.reason


@given(st.sampled_from(NAMES), SPEC, OBJECT, st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_document_is_a_resource_or_one_error(
    name: str, spec: dict[str, Any], more: dict[str, Any], strict: bool
) -> None:
    kind = next(kind for kind in KINDS.values() if kind.name == name)
    document = {**more, "apiVersion": kind.api, "kind": name, "metadata": {"name": "default"}, "spec": spec, **spec}
    try:
        resource = decode(document, "f", strict)
    except InvalidResource as error:
        assert error.where.startswith("f: ")
        assert error.reason
    else:
        assert decode(encode(resource), "f").spec == resource.spec
        assert decode(merge(document, resource, resource), "f").spec == resource.spec
        again = load_document(dump_yaml(encode(resource)).encode(), "f")
        assert decode(again, "f").spec == resource.spec
