"""A message id leads to its recipient."""

import json
from pathlib import Path

from mta import identity
from mta.archive.archive import Archive, Entry
from mta.message import Class, MessageId

TS = 1_767_312_000_000


def put(folder: Path, *entries: Entry) -> Archive:
    archive = Archive(folder)
    archive.add_entries(entries)
    return archive


def made(seq: int, kind: str, document: object, cls: int = Class.BULK, campaign: str = "spring") -> Entry:
    return Entry(seq, TS, cls, kind, "acme", f"k-{seq}", campaign, json.dumps(document).encode())


def test_a_row_of_a_campaign(tmp_path: Path) -> None:
    people = {
        "campaign": "spring",
        "columns": ["email", "ref", "first", "age", "vip", "note"],
        "rows": [
            ["a@x.example", "u1", "A", 1, True, None],
            ["Bé@Bücher.example", "u2", "Bob", 2.5, False, 3.0],
        ],
    }
    archive = put(
        tmp_path,
        made(1, "campaign", {"id": "spring", "list": "customers", "subject": "Hi"}),
        made(2, "recipients", people),
    )
    assert archive.remembered(MessageId(3, 2, 1)) is None, "nobody has asked for it yet"
    found = archive.recipient(MessageId(3, 2, 1))
    assert found is not None
    assert archive.remembered(MessageId(3, 2, 1)) == found
    assert archive.remembered(MessageId(3, 2, 2)) is None
    assert found.id == MessageId(3, 2, 1)
    assert found.name == identity.public_id("acme", "spring", "k-2", 1)
    assert (found.tenant, found.campaign, found.list_, found.cls) == ("acme", "spring", "customers", 2)
    assert (found.rcpt, found.ref) == ("Bé@xn--bcher-kva.example", "u2")
    assert found.columns["first"] == "Bob"
    assert (found.columns["age"], found.columns["vip"], found.columns["note"]) == ("2.5", "false", "3")
    assert archive.recipient(MessageId(3, 2, 2)) is None
    assert archive.recipient(MessageId(3, 9, 0)) is None
    assert archive.recipient(MessageId(3, 1, 0)) is None  # a campaign has no recipient of its own
    archive.close()


def test_only_bulk_mail_belongs_to_a_list(tmp_path: Path) -> None:
    people = {"campaign": "spring", "columns": ["email"], "rows": [["a@x.example"]]}
    archive = put(
        tmp_path,
        made(1, "campaign", {"id": "spring", "list": "customers"}, Class.URGENT),
        made(2, "recipients", people, Class.URGENT),
    )
    found = archive.recipient(MessageId(0, 2, 0))
    assert found is not None
    assert found.list_ == ""
    archive.close()


def test_a_row_that_intake_refused_is_nobody(tmp_path: Path) -> None:
    people = {
        "campaign": "c",
        "columns": ["email", "x"],
        "rows": [["not an address", ""], ["a@x.example"], 5],
    }
    archive = put(tmp_path, made(2, "recipients", people))
    assert [archive.recipient(MessageId(0, 2, row)) for row in range(3)] == [None, None, None]
    archive.close()


def test_the_envelope_recipients_of_a_message(tmp_path: Path) -> None:
    document = {
        "to": ['"Doe, Jo" <jo@x.example>', "sam@y.example"],
        "cc": ["jo@X.example"],  # the same mailbox: numbered once
        "bcc": ["audit@z.example"],
        "vars": {"n": 118},
        "ref": "order",
    }
    archive = put(tmp_path, made(5, "message", document, Class.TRANSACTIONAL, ""))
    found = [archive.recipient(MessageId(0, 5, row)) for row in range(4)]
    assert [one.rcpt if one else None for one in found] == [
        "jo@x.example",
        "sam@y.example",
        "audit@z.example",
        None,
    ]
    assert found[2] is not None
    assert found[2].name == identity.recipient_id(identity.message_id("acme", "k-5"), 2)
    assert (found[2].columns, found[2].ref, found[2].campaign) == ({"n": "118"}, "order", "")
    archive.close()


def test_a_message_with_an_id_of_its_own(tmp_path: Path) -> None:
    archive = put(tmp_path, made(5, "message", {"id": "inv-1", "to": ["jo@x.example"]}, campaign=""))
    found = archive.recipient(MessageId(0, 5, 0))
    assert found is not None
    assert found.name == "inv-1.0"
    archive.close()
