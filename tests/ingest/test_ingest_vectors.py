"""docs/vectors/ and docs/schema/ against the decoder, in both directions: what is documented happens."""

import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from mta.event import COUNTED, FINAL
from mta.ingest import documents
from mta.ingest.checked import Recipients
from mta.ingest.codes import MEANING, Refused
from mta.ingest.entry import CONTROL, LABELS, MAIL, Refusal, Submission, read
from mta.ingest.mail import field_name
from mta.ingest.rows import rows

DOCS = Path(__file__).resolve().parents[2] / "docs"
KINDS = (*MAIL, *CONTROL)
Field = namedtuple("Field", "name default")


def schema(kind: str) -> Any:
    return json.loads((DOCS / "schema" / f"{kind}.json").read_text())


def vectors(kind: str) -> list[Any]:
    file = json.loads((DOCS / "vectors" / f"{kind}.json").read_text())
    assert (file["version"], file["kind"]) == (1, kind)
    return [pytest.param(vector, id=f"{kind}: {vector['name']}") for vector in file["vectors"]]


def valid(kind: str, document: object) -> bool:
    return jsonschema.Draft202012Validator(schema(kind)).is_valid(document)


def verdict(outcome: Submission | Refusal, expected: str, says: str) -> None:
    if isinstance(outcome, Submission):
        assert expected == "accepted", outcome.document
    else:
        assert outcome.code == expected, outcome.why
        assert says in outcome.why
        assert outcome.code in MEANING
        assert outcome.why.isprintable()


@pytest.mark.parametrize("kind", [*KINDS, "event"])
def test_schema_is_a_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize(
    "kind, vector",
    [pytest.param(kind, param.values[0], id=param.id) for kind in KINDS for param in vectors(kind)],
)
def test_document(kind: str, vector: dict[str, Any]) -> None:
    data = vector["data"] if "data" in vector else json.dumps(vector["document"])
    entry = {
        b"v": b"1",
        b"kind": kind.encode(),
        b"tenant": vector["tenant"].encode(),
        b"key": vector["key"].encode(),
        b"data": data.encode(),
    }
    verdict(read(entry, vector["class"]), vector["outcome"], vector.get("says", ""))
    if "schema" in vector:  # absent where regular expression dialects differ
        assert valid(kind, vector["document"]) is (vector["schema"] == "accepts")


@pytest.mark.parametrize("vector", vectors("entry"))
def test_entry(vector: dict[str, Any]) -> None:
    fields = {name.encode(): value.encode() for name, value in vector["fields"].items()}
    verdict(read(fields, vector["stream"]), vector["outcome"], vector.get("says", ""))


@pytest.mark.parametrize("vector", vectors("rows"))
def test_row(vector: dict[str, Any]) -> None:
    document = Recipients("c", tuple(vector["columns"]), [vector["row"]], False)
    accepted, refused = rows(document, [Field(*pair) for pair in vector["fields"]], vector["one_line"])
    if vector["outcome"] == "accepted":
        assert not refused
        row = accepted[0]
        assert (row.number, str(row.address), row.values) == (0, vector["address"], vector["values"])
        assert (row.ref, row.name) == (vector["ref"], vector.get("display", ""))
        assert (row.locale, row.tz) == (vector.get("locale", ""), vector.get("tz", ""))
        assert (row.track, row.engaged) == (vector.get("track", True), vector.get("engaged"))
    else:
        assert not accepted
        assert (refused[0].number, refused[0].code) == (0, vector["outcome"])
        assert refused[0].field == vector["field"]
        assert refused[0].why.isprintable()


@pytest.mark.parametrize("vector", vectors("event"))
def test_event(vector: dict[str, Any]) -> None:
    assert valid("event", vector["event"]) is (vector["outcome"] == "accepted")


def test_every_code_of_the_decoder_has_a_vector() -> None:
    later = {  # decided with the engine's memory, or with bytes that stand outside the entry
        "missing_blob", "key_conflict", "id_taken", "campaign_conflict", "campaign_closed",
        "unknown_campaign", "unknown_tenant", "not_allowed", "bad_template", "quota", "not_held",
    }  # fmt: skip
    seen = {param.values[0]["outcome"] for kind in (*KINDS, "entry", "rows") for param in vectors(kind)}
    assert seen - {"accepted"} == set(MEANING) - later


STRUCTS = {
    "message": documents.Message,
    "campaign": documents.Campaign,
    "recipients": documents.Recipients,
    "tenant": documents.Tenant,
    "control": documents.Control,
}


@pytest.mark.parametrize("kind", KINDS)
def test_schema_and_struct_know_the_same_members(kind: str) -> None:
    fields = msgspec.structs.fields(STRUCTS[kind])
    assert set(schema(kind)["properties"]) == {field.encode_name for field in fields}
    assert set(schema(kind)["required"]) == {field.encode_name for field in fields if field.required}


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_show_every_member(kind: str) -> None:
    shown = {
        name
        for param in vectors(kind)
        if param.values[0]["outcome"] == "accepted"
        for name in param.values[0]["document"]
    }
    assert shown == set(schema(kind)["properties"])


def test_events_and_schema_know_the_same_totals() -> None:
    names = schema("event")["properties"]
    assert set(COUNTED) <= set(names)
    assert set(names["event"]["enum"]) >= FINAL


def test_protocol_document_lists_every_code_member_and_event() -> None:
    text = (DOCS / "protocol.md").read_text()
    for code, meaning in MEANING.items():
        assert f"| `{code}` | {meaning} |" in text
    for kind in KINDS:
        for name in schema(kind)["properties"]:
            assert f"`{name}`" in text, f"docs/protocol.md does not explain {kind}.{name}"
    for name in schema("event")["properties"]["event"]["enum"]:
        assert f"`{name}`" in text
    for name in schema("event")["properties"]:
        assert f"`{name}`" in text, f"docs/protocol.md does not explain the event field {name}"
    for label in LABELS:
        assert f"mta:submit:{label}" in text


def test_examples_in_the_protocol_document_are_accepted() -> None:
    """Every ```json block headed by a kind in docs/protocol.md passes schema and decoder."""
    found = set()
    for block in (DOCS / "protocol.md").read_text().split("```json ")[1:]:
        kind, _, rest = block.partition("\n")
        document = json.loads(rest.partition("```")[0])
        assert valid(kind, document), kind
        entry = {b"v": b"1", b"kind": kind.encode(), b"tenant": b"acme", b"key": b"k"}
        entry[b"data"] = json.dumps(document).encode()
        outcome = read(entry, "bulk" if kind in MAIL else "control")
        assert isinstance(outcome, Submission), outcome
        found.add(kind)
    assert found == set(KINDS)


def test_column_grammar_is_the_schemas() -> None:
    validator = jsonschema.Draft202012Validator(schema("recipients")["$defs"]["field"])
    for name in ("email", "_x", "A.b-c_9", "a" * 64, "", "9a", "a" * 65, "é", "a b", "view_url", "a\n"):
        try:
            accepted = field_name(name, "columns") == name
        except Refused:
            accepted = False
        # A Python `$` also matches before a final line break; other languages' do not.
        assert validator.is_valid(name) is accepted or name.endswith("\n")
