"""`mta send`: one mail, and what became of it."""

import hashlib
import json
from pathlib import Path

import pytest

from mta.cli import send as send_module

MAIL = ("send", "--from", "me@acme.example", "--subject", "Hello", "--text", "Hi", "--tenant", "acme")


def test_a_mail_is_followed_until_it_is_delivered(mta, engine, lines) -> None:
    told = lines(
        mta(*MAIL, "--to", "jo@example.net", "--to", "al@example.org", "--ref", "r1", "--wait", "--json")
    )
    assert [event["event"] for event in told] == ["accepted", "delivered", "delivered"]
    assert {(event["rcpt"], event["ref"]) for event in told[1:]} == {
        ("jo@example.net", "r1"),
        ("al@example.org", "r1"),
    }


def test_a_bounce_ends_with_1(mta, engine) -> None:
    result = mta(*MAIL, "--to", "jo@example.net", "--to", "jo@reject.example", "--wait", code=1)
    assert "bounced    jo@reject.example" in result.stdout
    assert "delivered  jo@example.net" in result.stdout
    assert result.stderr == "mta: not all are delivered\n"


def test_a_refused_mail_says_why(mta, engine) -> None:
    result = mta(*MAIL, "--to", "nobody", "--wait", code=65)
    assert "refused (bad_address)" in result.stderr


def test_the_same_key_sends_once(mta, engine, redis) -> None:
    words = (*MAIL, "--to", "jo@example.net", "--key", "inv-1", "--wait")
    mta(*words)
    before = redis("XLEN", "mta:{0}:events")
    result = mta(*words)
    assert "submitted before; nothing was sent again" in result.stderr
    assert "delivered" not in result.stdout
    assert redis("XLEN", "mta:{0}:events") == before + 1


def test_without_wait_it_returns_when_redis_has_it(mta, redis, lines) -> None:
    said = lines(mta(*MAIL, "--to", "jo@example.net", "--class", "urgent", "--key", "k1", "--json"))
    assert said == [{"tenant": "acme", "key": "k1", "class": "urgent"}]
    [[_, fields]] = redis("XRANGE", "mta:submit:urgent", "-", "+")
    entry = dict(zip(fields[::2], fields[1::2], strict=True)) if isinstance(fields, list) else fields
    assert (entry[b"kind"], entry[b"tenant"], entry[b"key"]) == (b"message", b"acme", b"k1")
    assert json.loads(entry[b"data"]) == {
        "from": "me@acme.example", "to": ["jo@example.net"], "subject": "Hello", "text": "Hi",
    }  # fmt: skip


def test_files_are_read_and_large_ones_go_by_reference(mta, engine, redis, tmp_path: Path) -> None:
    html, text, large = tmp_path / "m.html", tmp_path / "m.txt", tmp_path / "film.bin"
    html.write_text("<p>Hi")
    text.write_text("Hi")
    large.write_bytes(b"x" * 1_500_000)
    base = ("send", "--from", "me@acme.example", "--to", "jo@example.net", "--subject", "Files", "--wait")
    result = mta(*base, "--html-file", html, "--text-file", text, "--attach", large, "--attach", text)
    assert "delivered  jo@example.net" in result.stdout
    assert redis("EXISTS", "mta:blob:" + hashlib.sha256(b"x" * 1_500_000).hexdigest()) == 1


def test_files_that_are_not_there_are_66(mta, tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    for option in ("--text-file", "--html-file", "--attach"):
        result = mta("send", "--from", "a@b.example", "--to", "c@d.example", option, missing, code=66)
        assert str(missing) in result.stderr
    assert "exclude each other" in mta(*MAIL, "--to", "c@d.example", "--text-file", missing, code=64).stderr


def test_it_does_not_submit_what_the_engine_does_not_take(mta, redis) -> None:
    redis("HSET", "mta:status", "accepting", 0, "why", "Redis uses 90 % of its memory")
    assert "Redis uses 90 %" in mta(*MAIL, "--to", "jo@example.net", code=75).stderr
    assert redis("XLEN", "mta:submit:transactional") == 0


def test_silence_is_told_apart_from_delay(mta, idle_engine, monkeypatch: pytest.MonkeyPatch) -> None:
    result = mta(*MAIL, "--to", "jo@example.net", "--wait", "--timeout", "0.5", code=75)
    assert "accepted" in result.stdout
    assert "not final after 0.5 s" in result.stderr


def test_without_an_engine_nobody_answers(mta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_module, "ANSWER_SECONDS", 0.05)
    assert "nobody answered within 0.05 s" in mta(*MAIL, "--to", "jo@example.net", "--wait", code=69).stderr
