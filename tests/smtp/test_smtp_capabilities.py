"""An EHLO reply as values, and what a peer may write in one."""

import pytest

from mta.smtp.capabilities import Capabilities, parse


def test_everything_at_once() -> None:
    lines = (
        "mx.example.net greets us", "PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN", "STARTTLS",
        "ENHANCEDSTATUSCODES", "CHUNKING", "REQUIRETLS", "AUTH PLAIN LOGIN", "VRFY", "XCLIENT NAME ADDR",
    )  # fmt: skip
    assert parse(lines) == Capabilities(
        pipelining=True, chunking=True, eight_bit=True, utf8=True, dsn=True, starttls=True, enhanced=True,
        requiretls=True, size=52428800, auth=("PLAIN", "LOGIN"),
    )  # fmt: skip


@pytest.mark.parametrize("lines", [(), ("",), ("mx.example.net",), ("PIPELINING",), ("hi", "", "   ")])
def test_nothing_offered(lines: tuple[str, ...]) -> None:
    assert parse(lines) == Capabilities()


def test_keywords_are_case_blind_and_whole_words() -> None:
    assert parse(("hi", "Pipelining")).pipelining
    assert parse(("hi", "  8bitmime  ")).eight_bit
    assert not parse(("hi", "PIPELININGX", "X PIPELINING")).pipelining


@pytest.mark.parametrize(
    "line, size",
    [
        ("SIZE", 0),
        ("SIZE 0", 0),
        ("size 1000", 1000),
        ("SIZE -5", 0),
        ("SIZE many", 0),
        ("SIZE \u0663\u0664", 0),
        ("SIZE " + "9" * 20, int("9" * 20)),
        ("SIZE " + "9" * 5000, 0),
        ("SIZES 7", None),
    ],
)
def test_size(line: str, size: int | None) -> None:
    assert parse(("hi", line)).size == size


@pytest.mark.parametrize(
    "lines", [("AUTH PLAIN LOGIN",), ("AUTH=PLAIN LOGIN",), ("auth plain", "AUTH=PLAIN LOGIN")]
)
def test_both_forms_of_auth(lines: tuple[str, ...]) -> None:
    assert parse(("hi", *lines)).auth == ("PLAIN", "LOGIN")
