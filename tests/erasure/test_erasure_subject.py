"""What a text, an event and a document look like without a person."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.erasure import documents
from mta.erasure.subject import DataSubject

JO = DataSubject("jo@mail.example")


@pytest.mark.parametrize(
    "text",
    [
        "to jo@mail.example.",
        "<JO@Mail.Example>",
        "?u=jo%40mail.example&x",
        '"jo@mail.example"',
        "jo@mail.example",
    ],
)
def test_the_address_is_found_and_taken_out(text: str) -> None:
    assert JO.stands_in(text)
    assert JO.stands_in(text.encode())
    assert not JO.stands_in(JO.without(text))
    assert len(JO.masked(text.encode())) == len(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "mary.jo@mail.example",
        "jo@mail.example.org",
        "jo@mail.examples",
        "jo+x@mail.example",
        "jo at mail.example",
    ],
)
def test_another_address_is_not_taken_for_it(text: str) -> None:
    assert not JO.stands_in(text)
    assert JO.without(text) == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_masking_leaves_every_octet_around_it(before: str, after: str) -> None:
    raw = f"{before} jo@mail.example {after}".encode("utf-8", "surrogatepass")
    masked = JO.masked(raw)
    assert len(masked) == len(raw)
    assert b"jo@mail.example" not in masked.lower()


def test_an_event_keeps_what_became_of_the_message() -> None:
    told = {
        "event": "bounced", "id": "m.1", "tenant": "acme", "rcpt": "jo@mail.example", "ref": "7", "ip": "192.0.2.1",
        "reply": "550 jo@mail.example unknown", "class": "recipient_unknown",
    }  # fmt: skip
    left = JO.event(told)
    assert left == {
        "event": "bounced", "id": "m.1", "tenant": "acme", "reply": "550 erased unknown",
        "class": "recipient_unknown", "erased": "1",
    }  # fmt: skip
    assert JO.event(left) is None
    assert DataSubject("jo@mail.example", "rival").event(told) is None


def test_rows_go_and_leave_their_place() -> None:
    rows = [["ann@mail.example", "Ann"], ["Jo@mail.example", "Jo"], ["x", "y"]]
    data = json.dumps({"columns": ["email", "name"], "rows": rows}).encode()
    left = documents.without(JO, "recipients", data)
    assert left is not None
    assert json.loads(left)["rows"] == [rows[0], [], rows[2]]
    assert documents.without(JO, "recipients", left) is None


def test_a_message_to_them_alone_goes_and_one_to_others_loses_them() -> None:
    alone = json.dumps({"to": ["Jo Doe <jo@mail.example>"], "text": "secret"}).encode()
    assert documents.without(JO, "message", alone) == documents.ERASED
    shared = json.dumps({"to": ["jo@mail.example", "ann@mail.example"], "text": "Hello"}).encode()
    left = documents.without(JO, "message", shared)
    assert left is not None
    assert json.loads(left)["to"] == [documents.NOBODY, "ann@mail.example"]


def test_what_is_packed_in_base64_is_looked_into() -> None:
    inside = base64.b64encode(b"Dear jo@mail.example, " + b"x" * 80).decode()
    data = json.dumps({"to": ["ann@mail.example"], "attachments": [{"data": inside}]}).encode()
    left = documents.without(JO, "message", data)
    assert left is not None
    assert json.loads(left)["attachments"][0]["data"] == ""


def test_a_document_without_them_stays() -> None:
    data = json.dumps({"to": ["ann@mail.example"], "text": "Hello"}).encode()
    assert documents.without(JO, "message", data) is None
