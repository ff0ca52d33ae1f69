"""Taking messages apart: broken ones, hostile ones, and all three line ends alike."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.bounce.parts import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_HEADER_LINES,
    MAX_PARTS,
    MAX_VALUE,
    split_headers,
    take_apart,
)

MESSAGE = b"""From: a@example.org
Subject: folded
 over lines
Content-Type: multipart/mixed; BOUNDARY="=_b 1"

preamble
--=_b 1
Content-Type: text/plain
Content-Transfer-Encoding: quoted-printable

caf=C3=A9=
 and
--=_b 1 \t
CONTENT-TYPE: Message/RFC822

Subject: inner
Content-Type: multipart/alternative; boundary=x

--x

first
--x-not
--x--
--=_b 1--
epilogue
"""


def test_structure() -> None:
    parts = take_apart(MESSAGE)
    assert [(part.type, part.parent, part.nested) for part in parts] == [
        ("multipart/mixed", -1, 0),
        ("text/plain", 0, 0),
        ("message/rfc822", 0, 0),
        ("multipart/alternative", 2, 1),
        ("text/plain", 3, 1),
    ]
    assert parts[0].header("subject") == "folded over lines"
    assert parts[1].text == "café and"
    assert parts[3].header("subject") == "inner"
    assert parts[4].body == b"first\n--x-not"  # a longer boundary is no boundary


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_line_ends_do_not_matter(end: bytes) -> None:
    assert take_apart(MESSAGE.replace(b"\n", end)) == take_apart(MESSAGE)


def test_a_missing_last_boundary() -> None:
    parts = take_apart(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n")
    assert [part.body for part in parts[1:]] == [b"one", b"two\n"]


def test_base64_survives_broken_digits() -> None:
    code = b64encode(b"Final-Recipient: rfc822; x@y\r\n")
    for body in (code, code[:12] + b"\n!*" + code[12:], code.rstrip(b"="), code + b"=="):
        (part,) = take_apart(b"Content-Transfer-Encoding: BASE64\n\n" + body)
        assert part.body == b"Final-Recipient: rfc822; x@y\n"


def test_an_encoded_message_inside() -> None:
    inner = b64encode(b"Subject: hidden\n\nbody")
    parts = take_apart(b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner)
    assert parts[1].header("subject") == "hidden"


def test_no_type_and_no_header() -> None:
    assert take_apart(b"")[0].type == "text/plain"
    assert take_apart(b"Content-Type: nonsense\n\nx")[0].type == "text/plain"
    assert split_headers(b"\nbody") == ((), b"body")


def test_text_of_unknown_encoding_is_read_as_latin_1() -> None:
    assert take_apart(b"A: b\n\n\xe9")[0].text == "é"


def test_depth_is_capped() -> None:
    raw = b"Content-Type: message/rfc822\n\n" * 1000 + b"Subject: deep\n\nx"
    parts = take_apart(raw)
    assert len(parts) == MAX_DEPTH + 1
    assert parts[-1].nested == MAX_DEPTH


def test_parts_are_capped() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000
    assert len(take_apart(raw)) == MAX_PARTS


def test_bytes_and_header_lines_are_capped() -> None:
    assert len(take_apart(b"\n\nA: b\n\n" + b"x" * (2 * MAX_BYTES))[0].body) < MAX_BYTES
    headers, _ = split_headers(b"A: b\n" * 1_000_000)
    assert len(headers) == MAX_HEADER_LINES
    ((_, value),) = split_headers(b"A: " + b"b" * 10_000_000)[0]
    assert len(value) == MAX_VALUE


def test_folding_is_capped() -> None:
    ((_, value),) = split_headers(b"A: b\n" + b" cc\n" * 1500 + b" " + b"d" * 20_000)[0]
    assert len(value) <= MAX_VALUE


PIECES = [
    b"Content-Type: multipart/report; boundary=b\n", b"Content-Type: message/rfc822\n", b"\n", b"--b\n", b"--b--\n",
    b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n", b"=?x",
    b"\xff\0", b"; =\"",    b"Content-Type: multipart/mixed; boundary=\"\n", b" \t", b"\r", b"a:b\n", b"====", b"\n\n",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)))
def test_any_bytes_come_apart(raw: bytes) -> None:
    parts = take_apart(raw)
    assert 1 <= len(parts) <= MAX_PARTS
    assert all(part.parent < at for at, part in enumerate(parts))
