"""Quoted-printable in pieces: any pieces, joined, decode to their texts joined."""

from quopri import decodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.mime.characters import crlf
from mta.mime.escape import ESCAPES, Place
from mta.mime.quoted import finisher, piece, quote, trimmed

text = st.text(
    st.one_of(st.sampled_from(" \t\r\n=.éFrom"), st.characters(exclude_categories=("Cs",))), max_size=300
).map(crlf)


def checked(raw: bytes) -> bytes:
    lines = raw.split(b"\r\n")
    for line in lines:
        assert len(line) <= 76
        assert line.isascii()
        assert not line.endswith((b" ", b"\t"))
        assert not line.startswith((b".", b"From "))
        assert b"\r" not in line
        assert b"\n" not in line
    return decodestring(raw)


@settings(max_examples=200, deadline=None)
@given(st.lists(text, max_size=6))
def test_pieces_are_independent(texts: list[str]) -> None:
    # Where a piece ends with CR and the next starts with LF there are two line ends, which crlf has made of them.
    assert checked(b"".join(map(piece, texts))) == "".join(texts).encode()


@settings(max_examples=100, deadline=None)
@given(text, st.integers(4, 75))
def test_the_last_line_keeps_room(text: str, last: int) -> None:
    raw = quote(text, last)
    assert checked(raw) == text.encode()
    assert len(raw.split(b"\r\n")[-1]) <= last


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=90), st.sampled_from(Place))
def test_the_quick_way_gives_what_the_slow_way_gives(value: str, place: Place) -> None:
    escape, pattern = ESCAPES[place]
    assert checked(finisher(escape, pattern)(value)).decode() == escape(value)


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize(
    "value",
    ["a", "Bob", "a-b_c", "https://a.example/x", ".", "From x", "a" * 75, "a" * 76, "https://" + "a" * 66],
)
def test_ordinary_values(place: Place, value: str) -> None:
    escape, pattern = ESCAPES[place]
    finished = finisher(escape, pattern)(value)
    assert checked(finished).decode() == escape(value)
    assert finished.endswith(b"=\r\n")


def test_quick_patterns_take_no_character_that_needs_an_escape() -> None:
    for place, (escape, pattern) in ESCAPES.items():
        for prefix in ("", "a", "https://a"):
            for code in range(0x250):
                value = prefix + chr(code)
                if pattern.fullmatch(value):
                    assert escape(value) == value, (place, value)
                    assert checked(piece(value)) == value.encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a\r\n", b"a\r\n"),
        (b"a=\r\n\r\n", b"a\r\n"),
        (b"a\r\n=\r\n\r\n", b"a\r\n"),
        (b"a \r\n", b"a=\r\n=20\r\n"),
        (b"a=\r\n=\r\n\r\n\r\n", b"a\r\n"),
        (b"\r\n\r\n", b"\r\n"),
        (b"", b"\r\n"),
        (b"a=3D\r\n", b"a=3D\r\n"),
    ],
)
def test_trimmed(body: bytes, expected: bytes) -> None:
    assert trimmed(body) == expected
