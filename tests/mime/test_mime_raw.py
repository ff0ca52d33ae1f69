"""Raw messages: checked, and sent as they are."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.mime.document import ContentError
from mta.mime.raw import prepare, render_raw

DATE = "Tue, 01 Jul 2025 10:52:37 +0000"
HEAD = b"From: a@a.example\r\nTo: b@b.example\r\nSubject: s\r\n"


def test_a_message_goes_as_it_is() -> None:
    raw = HEAD + b"Date: x\r\nMessage-ID: <1@a.example>\r\nX-Folded: a\r\n\tb\r\n c\r\n\r\nHello\r\n.\r\n"
    content = prepare(raw)
    assert b"".join(content.fields) + b"\r\n" + content.body == raw
    assert content.fields[-1] == b"X-Folded: a\r\n\tb\r\n c\r\n"
    assert (content.missing, content.eight_bit, content.utf8) == ((), False, False)
    rendered = render_raw(content, DATE, "2@a.example", [b"X-Extra: 1\r\n"])
    assert rendered.fields == [*content.fields, b"X-Extra: 1\r\n"]
    assert rendered.body == [content.body]
    assert rendered.body_hash == sha256(content.body).digest()
    assert len(raw) <= content.size_estimate


def test_missing_fields_are_added() -> None:
    content = prepare(HEAD + b"\r\nx")
    assert content.missing == ("Date", "Message-ID")
    fields = render_raw(content, DATE, "2@a.example").fields
    assert fields[:2] == [b"Date: " + DATE.encode() + b"\r\n", b"Message-ID: <2@a.example>\r\n"]
    content = prepare(HEAD + b"MESSAGE-ID: <1@a.example>\r\n\r\nx")
    assert content.missing == ("Date",)
    assert len(render_raw(content, DATE, "<2@a.example>").fields) == 5


def test_bcc_and_return_path_go_with_all_their_lines() -> None:
    content = prepare(
        b"Return-Path: <x@a.example>\r\nBCC: x@b.example,\r\n y@b.example\r\n"
        + HEAD
        + b"bcc:z@b.example\r\n\r\nBcc: body"
    )
    assert b"".join(content.fields) == HEAD
    assert content.body == b"Bcc: body\r\n"


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_line_ends_become_crlf(end: bytes) -> None:
    content = prepare(HEAD.replace(b"\r\n", end) + end + b"a" + end + b"." + end + b"b" + end * 3)
    assert b"".join(content.fields) == HEAD
    assert content.body == b"a\r\n.\r\nb\r\n"


@pytest.mark.parametrize("raw", [HEAD, HEAD + b"\r\n", HEAD + b"\r\n\r\n\r\n", HEAD.rstrip()])
def test_an_empty_body_is_one_line_end(raw: bytes) -> None:
    content = prepare(raw)
    assert b"".join(content.fields) == HEAD
    assert content.body == b"\r\n"


def test_eight_bit() -> None:
    assert prepare(HEAD + b"\r\n\xc3\xa9").eight_bit
    assert not prepare(HEAD + b"\r\n\xc3\xa9").utf8
    content = prepare(HEAD + "X-A: é\r\n\r\nx".encode())
    assert content.eight_bit
    assert content.utf8
    assert render_raw(content, DATE, "1@a.example").eight_bit


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (HEAD + b"\r\na\0b", "holds a NUL byte"),
        (HEAD + b"\r\n" + b"x" * 999, "has a line over 998 bytes"),
        (HEAD + b"X-A: " + b"x" * 994 + b"\r\n\r\n", "has a line over 998 bytes"),
        (b"To: b@b.example\r\n\r\nx", "has 0 From fields"),
        (b"From: x@a.example\r\n" + HEAD + b"\r\nx", "has 2 From fields"),
        (b"Subject: t\r\n" + HEAD + b"\r\nx", "has 2 Subject fields"),
        (b"From x@a.example Tue\r\n" + HEAD + b"\r\nx", "has a line in its header that is no field"),
        (HEAD + b"no colon here\r\n\r\nx", "has a line in its header that is no field"),
        (b" folded\r\n" + HEAD + b"\r\nx", "starts with white space"),
        (b"\r\n" + HEAD + b"\r\nx", "that is no field"),
        (b"", "that is no field"),
        (HEAD + b"X-A: 1\r\n" * 1000 + b"\r\nx", "has more than 1000 header fields"),
    ],
)
def test_what_breaks_the_rules_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(ContentError, match=f"`raw` .*{why}"):
        prepare(raw)


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mta.mime.raw.MAX_RAW", 10)
    with pytest.raises(ContentError, match="send a smaller message"):
        prepare(HEAD)


def test_longest_line_goes() -> None:
    assert prepare(HEAD + b"\r\n" + b"x" * 998 + b"\r\n").body == b"x" * 998 + b"\r\n"


def test_signed_by() -> None:
    signature = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=A.\r\n Example; s=x; bh=d=other.example; b=\r\n\tabc\r\n"
    )
    content = prepare(HEAD + signature + b"\r\nx")
    assert content.signed_by("a.example")
    assert not content.signed_by("other.example")
    assert not content.signed_by("example")
    assert not prepare(HEAD + b"\r\nDKIM-Signature: d=a.example").signed_by("a.example")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [HEAD, b"\r", b"\n", b"\r\n", b":", b"Bcc: x", b" ", b"x", b".", b"\xff", b"From: y"]
        ),
        max_size=12,
    )
)
def test_any_bytes_are_taken_or_refused(pieces: list[bytes]) -> None:
    try:
        content = prepare(b"".join(pieces))
    except ContentError:
        return
    whole = b"".join(content.fields) + b"\r\n" + content.body
    assert b"\r" not in whole.replace(b"\r\n", b"")
    assert b"\n" not in whole.replace(b"\r\n", b"")
    assert content.body.endswith(b"\r\n")
    assert not content.body.endswith(b"\r\n\r\n")
    assert prepare(whole) == content
