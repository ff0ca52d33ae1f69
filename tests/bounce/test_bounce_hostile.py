"""Returned mail made to do harm: bounded in size and steps, nothing raised, nobody else touched."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.fuzz_bounces import fuzz, mutated, wrong
from mta.archive.recipient import Recipient
from mta.bounce import classify, verp
from mta.bounce.parts import MAX_DEPTH, MAX_PARTS, take_apart
from mta.bounce.report import Report, read
from mta.inbound.effects import of_reports, telling
from mta.message import MessageId
from mta.tracking.token import Keys, Purpose, TokenError, make, read_any

RULES = classify.load((Path(classify.__file__).parent / "rules.toml").read_text())
HEAD = b"From: MAILER-DAEMON@relay.example\nSubject: Undelivered mail\n"
KEYS = Keys(0, {0: b"k" * 32})
ID = MessageId(1, 2, 3)
MEGABYTE = 1 << 20


def nested(count: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count)
    )
    return HEAD + opened + b"\n<anna@remote.example>: user unknown\n"


BOMBS: dict[str, bytes] = {
    "1,000 containers": nested(1000),
    "1,000 messages": HEAD + b"Content-Type: message/rfc822\n\n" * 1000 + b"x",
    "100,000 parts": HEAD + b"Content-Type: multipart/mixed; boundary=q\n\n" + b"--q\n\nx\n" * 100_000,
    "a million header lines": b"A: b\n" * 1_000_000 + b"\nbody",
    "a header line of a megabyte": HEAD + b"X: " + b"a" * MEGABYTE + b"\n\nfailed",
    "10^5 continued parameters": HEAD + b"Content-Type: text/plain" + b"; a*1=x" * 100_000 + b"\n\nfailed",
    "10^5 encoded words": b"From: MAILER-DAEMON@x\nSubject: " + b"=?utf-8?q?a?= " * 100_000 + b"\n\nx",
    "a boundary of 10 kB": HEAD + b"Content-Type: multipart/mixed; boundary=" + b"q" * 10_000 + b"\n\n--"
    + b"q" * 10_000,
    "a line of a megabyte": HEAD + b"\nfailed " + b"a" * MEGABYTE,
    "signs without end": HEAD + b"\nfailed " + b"a@" * (MEGABYTE // 2),
    "dots without end": HEAD + b"\nfailed\n" + (b"a." * 400 + b"@" + b"b." * 400 + b"\n") * 600,
    "addresses without end": HEAD + b"\nThese failed:\n" + b"".join(b"<u%d@b.example>:\n" % n for n in range(40_000)),
    "open tags": HEAD + b"Content-Type: text/html\n\n" + b"<" * MEGABYTE,
    "open anchors": HEAD + b"Content-Type: text/html\n\n" + b"<a " * 300_000,
    "hidden in hidden": HEAD + b"Content-Type: text/html\n\n" + b"<style>" * 140_000,
    "entities": HEAD + b"Content-Type: text/html\n\n" + b"&#38;" * 200_000,
    "base64": HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"QUFB" * 250_000,
    "a zip nobody unpacks": HEAD + b"Content-Type: application/zip\n\nPK\x03\x04" + b"\0" * 100_000,
    "uuencode": HEAD + b"\nbegin 644 x\n" + b"M" * 500_000,
    "a piece of a message": HEAD + b'Content-Type: message/partial; id="x"; number=1; total=99\n\nfailed',
    "seven bits": HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\n\n" + b"\x1b$B$3" * 200_000,
    "utf-7": HEAD + b"Content-Type: text/plain; charset=utf-7\n\n" + b"+AAA-" * 200_000,
    "rules": HEAD + b"\nfailed\n" + (b"- " * 75 + b"\n") * 400,
    "quotes": HEAD + b"\nfailed\n" + (b">" * 1900 + b"a@b.example\n") * 400,
    "half a report": HEAD + b"Content-Type: multipart/report; report-type=delivery-status; boundary=z\n\n--z\n"
    b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Reci",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_s13_bombs_are_bounded(name: str) -> None:
    parts = take_apart(BOMBS[name])
    assert len(parts) <= MAX_PARTS
    assert sum(len(part.body) for part in parts) <= (MAX_DEPTH + 2) * MEGABYTE
    assert wrong(read(BOMBS[name], RULES)) == ""


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a ",
        "a@",
        "user ",
        "mailbox a ",
        "blocked using ",
        "5.1.1 ",
        "550 ",
        "(a",
        "address.a",
        "<",
        "message ",
    ],
)
def test_s14_no_phrase_is_slow_on_100_kb(piece: str) -> None:
    """Steps are bounded by form: what is looked at is cut, repeats are bounded and not nested."""
    text = piece * (100_000 // len(piece))
    assert classify.classify(550, "", text, RULES).cls in RULES.table.classes
    assert wrong(read(HEAD + b"\nfailed\n" + text.encode(), RULES)) == ""


def person() -> Recipient:
    return Recipient(ID, "n", "acme", "c", "customers", "anna@remote.example", "", {}, 2)


def token_of(day: int = 20_000, keys: Keys = KEYS) -> str:
    return make(keys, Purpose.RETURN, ID, day)


def test_s10_nothing_here_answers() -> None:
    """An automatic answer to an automatic answer, a bounce of a bounce: an effect without events at most."""
    for text in (
        b"Auto-Submitted: auto-replied\nSubject: Re: Automatic reply\n\nI am away too.\n",
        b"\n",
        b"",
    ):
        effect = of_reports(read(text, RULES), person(), token_of(), "mark", 5, RULES)
        assert (effect.events, effect.suppress) == ([], [])


def test_s11_an_address_unsigned_wrong_or_old_is_refused() -> None:
    local = f"b.{token_of()}"
    assert verp.read(KEYS, local, 20_000, 30).id == ID
    other = Keys(0, {0: b"x" * 32})
    for wrong_local, today in (
        (local[:-1] + "?", 20_000),
        ("b.", 20_000),
        (local, 20_031),
        (f"b.{token_of(keys=other)}", 20_000),
    ):
        with pytest.raises(TokenError):
            verp.read(KEYS, wrong_local, today, 30)


def test_s11_who_is_named_overrides_nothing() -> None:
    """A stranger reports another's address to an address signed for Anna: Anna's alone is touched."""
    text = HEAD + b"\nThe following address(es) failed:\n\n<victim@other.example>: 550 5.1.1 user unknown\n"
    reports = read(text, RULES)
    assert reports[0].recipient == "victim@other.example"
    effect = of_reports(reports, person(), token_of(), "mark", 5, RULES)
    assert [told["rcpt"] for told in effect.events] == ["anna@remote.example"]


def ours(token: str) -> bool:
    try:
        return read_any(KEYS, list(Purpose), token, 20_000, 30)[1].id == ID
    except TokenError:
        return False


def complaint(token: str) -> bytes:
    return (
        "From: abuse@provider.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
        "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
        "Original-Rcpt-To: <victim@other.example>\n\n--b\nContent-Type: message/rfc822\n\nFrom: news@shop.example\n"
        f"Feedback-ID: {token}\n\nHello\n--b--\n"
    ).encode()


def genuine(text: bytes) -> bool:
    return any(ours(token) for report in telling(read(text, RULES)) for token in report.tokens)


def test_s12_a_complaint_counts_only_with_our_signed_id() -> None:
    assert genuine(complaint(token_of()))
    for forged in ("", "a" * 45, token_of(keys=Keys(0, {0: b"x" * 32})), token_of(day=19_000)):
        assert not genuine(complaint(forged))


def test_a_report_that_quotes_anothers_mail_names_it_only_as_a_claim() -> None:
    """What is returned may be another tenant's mail with a good token in it; the address it came to decides."""
    theirs = make(KEYS, Purpose.RETURN, MessageId(9, 9, 9), 20_000)
    text = (
        HEAD
        + (
            f"To: b.{token_of()}@bounces.shop.example\n\n<victim@other.example>: 550 5.1.1 user unknown\n\n"
            f"--- Below this line is a copy of the message.\n\nReturn-Path: <b.{theirs}@bounces.other.example>\n\nHi\n"
        ).encode()
    )
    (report,) = read(text, RULES)
    assert report.tokens == (token_of(), theirs)
    effect = of_reports([report], person(), token_of(), "mark", 5, RULES)
    assert [(told["rcpt"], told["tenant"]) for told in effect.events] == [("anna@remote.example", "acme")]


@pytest.mark.parametrize(
    "make_loop",
    [lambda text: HEAD + b"Content-Type: message/rfc822\n\n" + text, lambda text: HEAD + b"\n" + text],
)
def test_loops_of_bounces_are_read_at_the_top(make_loop: Callable[[bytes], bytes]) -> None:
    text = HEAD + b"\n<anna@remote.example>: user unknown\n"
    for _ in range(50):
        text = make_loop(text)
    assert wrong(read(text, RULES)) == ""


def test_mutated_messages_break_no_promise() -> None:
    found = fuzz(1500, seed=7)
    assert found["faults"] == []
    assert found["seen"].keys() >= {"auto_reply", "bounce", "complaint", "delay", "none"}


def test_the_fuzzer_finds_what_is_wrong() -> None:
    assert wrong([]) == "0 reports"
    assert wrong([Report("bounce", recipient="a\nb@c")]) == "a recipient with controls"
    assert wrong([Report("bounce")]) == "a bounce without a class"
    assert wrong([Report("none", code=600)]) == "tokens or code out of bounds"
    assert wrong([Report("none", explanation="x" * 5000)]) == "a long text"
    assert mutated(random.Random(1), [b"abc" * 50]) == mutated(random.Random(1), [b"abc" * 50])
