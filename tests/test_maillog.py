"""The mail log: stable lines, nothing of a peer's gets through unescaped, rotation and faults lose nothing."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta import maillog
from mta.event import event
from mta.maillog import MailLog

TS = 1_785_844_800_123  # 2026-08-04T12:00:00.123Z


def delivered(**more: str | int) -> dict[str, str]:
    fields: dict[str, str | int] = {
        "id": "inv-1.0", "tenant": "acme", "rcpt": "jo@x.example", "code": 250, "status": "2.0.0",
        "reply": '2.0.0 "Ok"', "mx": "mx.x.example", "tls": "TLSv1.3 AES", "attempts": 1, "delay_ms": 41,
    }  # fmt: skip
    return event("delivered", "acme/inv-1.0/delivered/1", TS, **(fields | more))


def lines(log: MailLog) -> list[str]:
    log.flush()
    assert log.path
    return log.path.read_text().splitlines()


def test_a_line_of_text(tmp_path: Path) -> None:
    log = MailLog(tmp_path / "log" / "mail.log")
    log.event(delivered())
    assert lines(log) == [
        "2026-08-04T12:00:00.123Z delivered id=inv-1.0 tenant=acme"
        ' rcpt="jo@x.example" code=250 status=2.0.0 reply="2.0.0 \\"Ok\\"" mx="mx.x.example"'
        ' tls="TLSv1.3 AES" attempts=1 delay_ms=41'
    ]
    log.close()


def test_the_flat_form_of_workers_is_the_same_line(tmp_path: Path) -> None:
    log = MailLog(tmp_path / "mail.log")
    log.event(delivered())
    log.flat([part for pair in delivered().items() for part in pair] + ["source", ""])
    log.flat([])
    one, two = lines(log)
    assert one == two
    log.close()


def test_a_line_of_json(tmp_path: Path) -> None:
    log = MailLog(tmp_path / "mail.log", form="json")
    log.event(delivered())
    (line,) = lines(log)
    found = json.loads(line)
    assert found["time"] == "2026-08-04T12:00:00.123Z"
    assert (found["event"], found["reply"], found["delay_ms"]) == ("delivered", '2.0.0 "Ok"', "41")
    assert "eid" not in found
    log.close()


@pytest.mark.parametrize("form", ["text", "json"])
@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_whatever_a_peer_says_stays_one_printable_line(
    tmp_path_factory: pytest.TempPathFactory, form: str, reply: str, rcpt: str
) -> None:
    log = MailLog(tmp_path_factory.mktemp("log") / "mail.log", form=form)
    log.event(
        delivered(
            reply=reply + "\r\n2026-08-04T12:00:00.000Z delivered id=forged\x1b[2J\x7f\u2028", rcpt=rcpt
        )
    )
    log.flush()
    assert log.path
    raw = log.path.read_bytes()
    assert raw.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in raw[:-1])
    if form == "json":
        assert json.loads(raw)["reply"].startswith(reply)
    log.close()


def test_long_text_is_cut(tmp_path: Path) -> None:
    log = MailLog(tmp_path / "mail.log", form="json")
    log.event(delivered(reply="x" * 10_000))
    assert json.loads(lines(log)[0])["reply"] == "x" * maillog.MAX_VALUE
    log.close()


def test_nothing_is_written_before_flush_and_one_write_writes_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MailLog(tmp_path / "mail.log")
    calls = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: calls.append(len(data)) or write(fd, data))
    for _ in range(1000):
        log.event(delivered())
    assert not (tmp_path / "mail.log").exists()
    assert len(lines(log)) == 1000
    assert len(calls) == 1
    log.flush()
    assert len(calls) == 1
    log.close()


def test_rotation(tmp_path: Path) -> None:
    log = MailLog(tmp_path / "mail.log")
    log.event(delivered(id="one"))
    log.flush()
    (tmp_path / "mail.log").rename(tmp_path / "mail.log.1")
    log.event(delivered(id="two"))
    log.reopen()
    log.event(delivered(id="three"))
    assert ["id=three" in line for line in lines(log)] == [True]
    assert [line.split()[2] for line in (tmp_path / "mail.log.1").read_text().splitlines()] == [
        "id=one",
        "id=two",
    ]
    log.close()


def test_two_writers_share_a_file_by_whole_lines(tmp_path: Path) -> None:
    logs = [MailLog(tmp_path / "mail.log") for _ in range(2)]
    for _ in range(50):
        for n, log in enumerate(logs):
            log.event(delivered(id=f"w{n}"))
            log.flush()
    found = [line.split()[2] for line in lines(logs[0])]
    assert sorted(found) == ["id=w0"] * 50 + ["id=w1"] * 50
    for log in logs:
        log.close()


def test_a_full_disk_loses_nothing_until_the_cap_and_then_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maillog, "MAX_WAITING", 10)
    log = MailLog(tmp_path / "mail.log")
    write = os.write
    room = [100]

    def full(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        part = data[: room[0]]
        room[0] -= len(part)
        return write(fd, part)

    monkeypatch.setattr(os, "write", full)
    for n in range(12):
        log.event(delivered(id=f"m{n}"))
    log.flush()
    assert "No space left" in log.fault
    assert log.lost == 2
    log.flush()
    monkeypatch.setattr(os, "write", write)
    found = lines(log)
    assert [line.split()[2] for line in found] == [f"id=m{n}" for n in range(10)]
    assert all(line.endswith("delay_ms=41") for line in found)
    assert log.fault == ""
    log.close()


def test_a_file_that_can_not_be_opened_is_a_fault_not_an_exception(tmp_path: Path) -> None:
    log = MailLog(tmp_path)
    log.event(delivered())
    log.flush()
    assert "Is a directory" in log.fault
    log.close()


def test_off(tmp_path: Path) -> None:
    log = MailLog(None)
    log.event(delivered())
    log.flat(["v", "1", "event", "delivered"])
    log.flush()
    log.reopen()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_redaction_hides_the_person_everywhere_in_the_line(tmp_path: Path, form: str) -> None:
    log = MailLog(tmp_path / "mail.log", form=form, redact=True, key=b"k")
    log.event(delivered(reply="550 <JO@X.example> jo@x.example: unknown", url="https://a/?e=jo@x.example"))
    log.event(delivered())
    one, two = lines(log)
    assert "jo@" not in (one + two).lower()
    (hashed,) = set(re.findall(r"([0-9a-f]{12})@x\.example", one + two))
    other = MailLog(tmp_path / "other.log", form=form, redact=True, key=b"another")
    other.event(delivered())
    assert hashed not in lines(other)[0]
    log.close()
    other.close()
