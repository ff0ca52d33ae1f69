"""`mta reports`: what is kept is listed, shown safely, read again or thrown away."""

import json
from pathlib import Path
from typing import Any

import pytest

from mta.inbound.spool import Envelope, Spool


@pytest.fixture
def spool(state: Path) -> Spool:
    made = Spool(state / "spool" / "reports")
    made.prepare()
    return made


def keep(spool: Spool, folder: str, raw: bytes, ts: int = 1_779_840_000_000, why: str = "because") -> str:
    envelope = Envelope("<>", ["b.x@b.acme.example"], "192.0.2.1", "mx.example.org", ts)
    path = spool.add(envelope, raw)
    spool.keep_for_person(path, folder, why)
    return path.stem


def test_kept_mail_is_listed_and_shown(mta: Any, spool: Spool) -> None:
    id_ = keep(spool, "unparsed", b"From: x\r\nSubject: \x1b[31mred\r\n\r\nhello\r\n")
    keep(spool, "postmaster", b"hi", ts=1_779_840_001_000)
    rows = json.loads(mta("reports", "list", "--json").output)
    assert (rows[0]["id"], rows[0]["folder"], rows[0]["why"]) == (id_, "unparsed", "because")
    assert len(rows) == 2
    assert len(json.loads(mta("reports", "list", "--folder", "postmaster", "--json").output)) == 1
    shown = mta("reports", "show", id_).output
    assert "because" in shown
    assert "mx.example.org [192.0.2.1]" in shown
    assert "\x1b" not in shown
    assert json.loads(mta("reports", "show", id_, "--json").output)["reports"][0]["kind"] == "none"
    assert mta("reports", "show", id_, "--raw").output_bytes.endswith(b"hello\r\n")


def test_retry_gives_it_to_the_reader_and_drop_removes_it(mta: Any, spool: Spool) -> None:
    first, second, third = (
        keep(spool, folder, b"x", ts=1_779_840_000_000 + n)
        for n, folder in enumerate(("unparsed", "unsigned", "unsigned"))
    )
    assert "1 mail to be read again" in mta("reports", "retry", first).output
    assert [path.stem for path in spool.waiting()[0]] == [first]
    assert mta("reports", "drop", "--all", "--folder", "unsigned", "--json").output == '{"count":2}\n'
    assert spool.kept("unsigned") == []
    assert {second, third}.isdisjoint(path.stem for path in spool.waiting()[0])


def test_what_is_not_there_or_not_ours_is_told(mta: Any, spool: Spool) -> None:
    (spool.directory / "unparsed").mkdir()
    (spool.directory / "unparsed" / "x.eml").write_bytes(b"no envelope\nat all")
    assert "not written by the engine" in mta("reports", "list").output
    assert "no envelope" in mta("reports", "show", "x").output
    assert "no mail nobody is kept" in mta("reports", "show", "nobody", code=66).output
    assert "--all" in mta("reports", "drop", code=64).output
    assert "--all" in mta("reports", "drop", "x", "--all", code=64).output
    assert (spool.directory / "unparsed" / "x.eml").exists()
