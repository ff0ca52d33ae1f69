"""Canonical forms: the standard's own examples, and dkimpy as a second opinion."""

import pytest
from dkim import canonicalization
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.dkim.canonical import relaxed_body, relaxed_field, simple_body, simple_field

FIELDS = [b"A: X\r\n", b"B : Y\t\r\n\tZ  \r\n"]
BODY = b" C \r\nD \t E\r\n\r\n\r\n"


def test_example_of_rfc_6376_section_3_4_5_relaxed() -> None:
    assert b"".join(relaxed_field(field)[1] for field in FIELDS) == b"a:X\r\nb:Y Z\r\n"
    assert relaxed_body(BODY) == b" C\r\nD E\r\n"


def test_example_of_rfc_6376_section_3_4_5_simple() -> None:
    assert [simple_field(field) for field in FIELDS] == FIELDS
    assert simple_body(BODY) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n"])
def test_empty_bodies(body: bytes) -> None:
    assert simple_body(body) == b"\r\n"
    assert relaxed_body(body) == b""


def test_body_without_line_end_gets_one() -> None:
    assert simple_body(b"a") == b"a\r\n"
    assert relaxed_body(b"a  b\t") == b"a b\r\n"


@pytest.mark.parametrize("field", [b"no colon\r\n", b": no name\r\n", b" \t: blank\r\n"])
def test_what_is_no_field(field: bytes) -> None:
    with pytest.raises(ValueError, match="header field"):
        relaxed_field(field)


TEXT = st.lists(
    st.sampled_from([b"a", b"Bc", b" ", b"\t", b"\r\n ", b"\r\n\t", b"\xc3\xa9", b"\x0b", b"="])
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(name=st.from_regex(rb"[!-9;-~]{1,20}[ \t]{0,2}", fullmatch=True), value=TEXT)
def test_fields_equal_dkimpy(name: bytes, value: bytes) -> None:
    value = value.replace(b"\x0b", b"x\x0bx")  # dkimpy strips a vertical tab at the ends, which is no WSP
    ((their_name, theirs),) = canonicalization.Relaxed.canonicalize_headers([(name, value + b"\r\n")])
    assert relaxed_field(name + b":" + value + b"\r\n") == (their_name, their_name + b":" + theirs)


@settings(max_examples=200, deadline=None)
@given(body=st.lists(st.sampled_from([b"a", b"b c", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"."])).map(b"".join))
def test_bodies_equal_dkimpy(body: bytes) -> None:
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    assert simple_body(body) == canonicalization.Simple.canonicalize_body(body)
    assert relaxed_body(body) == canonicalization.Relaxed.canonicalize_body(body)
