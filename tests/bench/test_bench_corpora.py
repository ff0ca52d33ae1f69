"""The scoring of sample messages: a small folder of our own making, right and wrong; a real one where there is one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.corpora import main, measure
from bench.samples import Sample, check, halves
from mta.bounce.report import Report

NOTICE = """From: MAILER-DAEMON@relay.example
Subject: failure notice

Failed:

<anna@remote.example>:
550 5.1.1 No such user
"""
LETTER = "From: bert@remote.example\nSubject: Lunch\n\nToday?\n"


def record(file: str, **more: Any) -> dict[str, Any]:
    return {"file": file, "event": "bounce", "basis": "test:ours", "results": [], **more}


def result(**more: Any) -> dict[str, Any]:
    return {
        "recipient": "anna@remote.example",
        "class": "recipient_unknown",
        "disposition": "hard",
        "hard": True,
        **more,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    collection = tmp_path / "ours"
    collection.mkdir()
    (collection / "one.eml").write_text(NOTICE)
    (collection / "two.eml").write_text(LETTER)
    records = [
        record("one.eml", results=[result()]),
        record("two.eml", event="not_bounce", is_bounce=False),
        record("gone.eml"),
        {
            "text": "552 5.2.2 mailbox full\u2028",
            "class": "mailbox_full",
            "disposition": "soft",
            "basis": "test:ours",
        },
    ]
    text = "\n".join(json.dumps(told, ensure_ascii=False) for told in records) + "\n"
    (collection / "expected.jsonl").write_text(text)
    return tmp_path


def test_everything_right(folder: Path) -> None:
    found = measure(folder)
    scores = found["scores"]["all"]
    assert found["samples"] == 3
    assert {name: (score["right"], score["of"]) for name, score in scores.items()} == {
        "recipients": (1, 1), "event": (2, 2), "hard_soft": (2, 2), "class": (2, 2), "negatives": (1, 1),
        "line_ends": (2, 2),
    }  # fmt: skip
    assert (found["below"], found["exceptions"], found["misses"]) == ([], [], [])


def test_misses_are_named_without_content(folder: Path) -> None:
    listing = folder / "ours" / "expected.jsonl"
    listing.write_text(json.dumps(record("one.eml", results=[result(recipient="carl@remote.example")])))
    found = measure(folder)
    assert found["misses"] == ["ours/one.eml: recipients"]
    assert found["below"] == ["recipients"]


@pytest.mark.parametrize(
    "expected, reports, right",
    [
        (record("x", results=[result()]), [Report("bounce", recipient="ANNA@remote.example")], True),
        (record("x", results=[result()]),
         [Report("bounce", recipient="a@b", final_recipient="anna@remote.example")], True),
        (record("x", results=[result()]),
         [Report("bounce", recipient="anna@remote.example"), Report("bounce", recipient="b@c")], False),
        (record("x", results=[result()]), [Report("bounce")], False),
        (record("x", results=[result(), result(recipient="b@c")]), [Report("bounce", recipient="b@c")], False),
    ],
)  # fmt: skip
def test_recipients_are_a_set(expected: dict[str, Any], reports: list[Report], right: bool) -> None:
    assert check(Sample("ours", "ours/x", expected, b"", ""), reports)["recipients"] is right


def test_what_is_not_asked() -> None:
    disputed = record("x", results=[result()], disputed=True)
    assert (
        not {"class", "hard_soft"}
        & check(Sample("ours", "ours/x", disputed, b"", ""), [Report("bounce")]).keys()
    )
    near = record("x", results=[result(**{"class": "rate_limited", "disposition": "soft"})])
    reports = [Report("bounce", recipient="anna@remote.example", cls="greylisted", disposition="soft")]
    assert check(Sample("ours", "ours/x", near, b"", ""), reports)["class"]


def test_halves_keep_copies_together() -> None:
    assert halves("a/bsd/one.eml") == halves("a/dos/one.eml")
    assert {halves(f"a/{number}.eml") for number in range(50)} == {"seen", "held"}


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTA_CORPORA", raising=False)
    ran = CliRunner().invoke(main, ["--corpora", str(folder), "--json"])
    assert ran.exit_code == 0
    assert json.loads(ran.output)["bench"] == "corpora"
    absent = CliRunner().invoke(main, ["--corpora", str(folder / "no"), "--json"])
    assert absent.exit_code == 0
    assert "skipped" in json.loads(absent.output)
    (folder / "ours" / "expected.jsonl").write_text(json.dumps(record("two.eml", results=[result()])))
    assert CliRunner().invoke(main, ["--corpora", str(folder)]).exit_code == 1


@pytest.mark.skipif(
    not os.environ.get("MTA_CORPORA"), reason="MTA_CORPORA names no folder of sample messages"
)
def test_a_real_collection_raises_nothing_and_names_nobody_in_negatives() -> None:
    found = measure(Path(os.environ["MTA_CORPORA"]))
    assert found["exceptions"] == []
    assert not {"negatives", "arf", "line_ends", "recipients"} & set(found["below"])
