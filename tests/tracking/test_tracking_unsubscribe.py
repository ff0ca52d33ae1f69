"""List header fields: exact forms, and nothing that breaks out of its field."""

from email.header import decode_header, make_header
from email.parser import BytesParser
from email.policy import compat32

import pytest

from mta.tracking.unsubscribe import (
    MAX_FEEDBACK_ID,
    MAX_LIST_ID,
    MAX_LIST_NAME,
    MAX_URI,
    HeaderFault,
    headers,
)

URL = "https://track.example.com/u/abc"
MAILTO = "u.abc@bounces.example.com"


def test_all_fields() -> None:
    assert headers(URL, MAILTO, "autumn.shop.example.com", "Autumn", "c1:l1:t1:mta") == [
        b"List-Unsubscribe: <https://track.example.com/u/abc>,\r\n <mailto:u.abc@bounces.example.com>\r\n",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        b"List-Id: Autumn\r\n <autumn.shop.example.com>\r\n",
        b"Feedback-ID: c1:l1:t1:mta\r\n",
    ]


def test_parts_may_be_left_out() -> None:
    assert headers("", "", "") == []
    assert headers("", MAILTO, "") == [b"List-Unsubscribe: <mailto:u.abc@bounces.example.com>\r\n"]
    assert headers(URL, "", "l.example.com") == [
        b"List-Unsubscribe: <https://track.example.com/u/abc>\r\n",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        b"List-Id: <l.example.com>\r\n",
    ]


def test_one_click_is_for_https_only() -> None:
    assert not any(b"One-Click" in field for field in headers("http://track.example.com/u/abc", MAILTO, ""))


@pytest.mark.parametrize(
    "bad", ["\r", "\n", "\r\nBcc: x@y", "<", ">", " ", "\t", "\0", "\x7f", "é", "\u2028"]
)
def test_nothing_breaks_out(bad: str) -> None:
    with pytest.raises(HeaderFault, match="url"):
        headers(URL + bad, MAILTO, "l.example.com")
    with pytest.raises(HeaderFault, match="mailto"):
        headers(URL, MAILTO + bad, "l.example.com")
    with pytest.raises(HeaderFault, match="list_id"):
        headers(URL, MAILTO, "l" + bad)
    with pytest.raises(HeaderFault, match="feedback_id"):
        headers(URL, MAILTO, "l", feedback_id="a:b" + bad)


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "a\u2028b", "a\x85b", "a\tb"])
def test_names_hold_no_control_characters(bad: str) -> None:
    with pytest.raises(HeaderFault, match="list_name"):
        headers(URL, MAILTO, "l.example.com", bad)


def test_lengths_are_capped() -> None:
    for arguments in (
        ("h" * (MAX_URI + 1), "", ""),
        ("", "m" * (MAX_URI + 1), ""),
        ("", "", "l" * (MAX_LIST_ID + 1)),
        ("", "", "l", "n" * (MAX_LIST_NAME + 1)),
        ("", "", "l", "", "f" * (MAX_FEEDBACK_ID + 1)),
    ):
        with pytest.raises(HeaderFault):
            headers(*arguments)


@pytest.mark.parametrize(
    "name", ["Plain words", 'A "quoted", (odd) <one> \\', "=?utf-8?q?x?=", "Grüße aus Köln " * 12]
)
def test_names_come_through(name: str) -> None:
    (field,) = headers("", "", "l.example.com", name.strip())
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))
    value = BytesParser(policy=compat32).parsebytes(field + b"\r\n")["List-Id"]
    phrase = value.rpartition("<")[0].strip()
    if phrase.startswith('"'):
        decoded = phrase[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    else:
        decoded = str(make_header(decode_header(phrase)))
    assert decoded == name.strip()
