"""Encoded words and folding."""

import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.mime.words import unstructured

text = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=400)
name = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,75}", fullmatch=True)


def read(field: bytes, name: str) -> str:
    unfolded = field.decode("ascii").removesuffix("\r\n").replace("\r\n", "")
    return str(make_header(decode_header(unfolded.removeprefix(f"{name}:").strip(" "))))


def checked(field: bytes) -> list[bytes]:
    assert field.endswith(b"\r\n")
    lines = field.removesuffix(b"\r\n").split(b"\r\n")
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    assert max(map(len, lines)) <= 998
    for word in re.findall(rb"=\?[^ ]*\?=", field):
        assert len(word) <= 75
        assert re.fullmatch(rb"=\?utf-8\?[BQ]\?[^? ]+\?=", word)
    return lines


@settings(max_examples=200, deadline=None)
@given(name, text)
def test_what_is_read_is_what_was_written(name: str, text: str) -> None:
    field = unstructured(name, text)
    lines = checked(field)
    if b"=?" in field:
        assert max(map(len, lines)) <= 78
        assert read(field, name) == text.strip(" ")
    else:
        assert field.replace(b"\r\n", b"").decode().removeprefix(f"{name}:").strip(" ") == text.strip(" ")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("Hello", b"Subject: Hello\r\n"),
        ("", b"Subject: \r\n"),
        (
            "Grüße an alle unsere treuen Leser",
            b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_an_alle_unsere_treuen_Leser?=\r\n",
        ),
        ("日本", b"Subject: =?utf-8?B?5pel5pys?=\r\n"),
        (
            "a b_c?=é and on and on and on",
            b"Subject: =?utf-8?Q?a_b=5Fc=3F=3D=C3=A9_and_on_and_on_and_on?=\r\n",
        ),
        ("word " * 15 + "end", b"Subject: " + b"word " * 13 + b"word\r\n word end\r\n"),
    ],
)
def test_forms(value: str, field: bytes) -> None:
    assert unstructured("Subject", value) == field


def test_a_short_line_may_be_long_but_never_over_998() -> None:
    assert (
        unstructured("References", "<a@b> " + "x" * 500) == b"References: <a@b>\r\n " + b"x" * 500 + b"\r\n"
    )
    assert unstructured("X-A", "x" * 997) == b"X-A:\r\n " + b"x" * 997 + b"\r\n"
    field = unstructured("X-A", "x" * 998)
    assert max(map(len, checked(field))) <= 78
    assert read(field, "X-A") == "x" * 998


def test_what_looks_like_an_encoded_word_is_read_as_text() -> None:
    evil = "=?utf-8?Q?a=0D=0ABcc:_x@example.org?="
    assert read(unstructured("Subject", evil), "Subject") == evil
    assert b"=0D" not in unstructured("Subject", evil)


def test_no_character_is_split_between_words() -> None:
    for value in ("é" * 100, "日" * 100, "a😀" * 60, "x" * 30 + "é" * 50):
        field = unstructured("Subject", value)
        for word in re.findall(rb"=\?utf-8\?[BQ]\?[^ ]+\?=", field):
            assert str(make_header(decode_header(word.decode()))) in value
