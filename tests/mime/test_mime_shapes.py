"""Shapes of mail HTML on the wire: links and beacon where a person put them, all else byte for byte."""

# ruff: noqa: E501

import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from marked_shapes import MARKED

from mta.mime.compile import compile
from mta.mime.document import Document, Person, Urls
from mta.mime.raw import prepare, render_raw

CLICK = "https://t.example/c/" + "b" * 45
OPEN = "https://t.example/o/" + "a" * 45 + ".gif"
BEACON = f'<img src="{OPEN}" width="1" height="1" alt="" style="border:0;width:1px;height:1px">'
DATE = "Tue, 01 Jul 2025 10:52:37 +0000"
TARGET = re.compile(r"⟦([^⟧]*)⟧|⟪([^⟫]*)⟫")
ALL = Urls(open=OPEN, click=CLICK)


def plain(marked: str) -> str:
    """The HTML as its producer wrote it."""
    return re.sub("[⟦⟧⟪⟫◆]", "", marked)


def wire(text: str) -> str:
    """Line ends as mail has them, and one at the end."""
    return re.sub(r"\r\n|\r|\n", "\r\n", text).rstrip("\r\n") + "\r\n"


def tracked(marked: str) -> str:
    """The HTML as it must arrive."""
    numbers = iter(range(10_000))

    def ours(found: re.Match[str]) -> str:
        quote = '"' if found[1] is None else ""
        return f"{quote}{CLICK}/{next(numbers)}{quote}"

    text = TARGET.sub(ours, marked).replace("{{v}}", "V")
    at = text.index("◆")
    return wire(text[:at] + BEACON + text[at + 1 :])


def sent(html: str, urls: Urls) -> str:
    """The HTML part of a rendered message, read by another parser."""
    compiled = compile(Document("a@a.example", "s", "text", html))
    person = Person("b@b.example", "", ["V"] * len(compiled.fields))
    made = compiled.render(person, urls, DATE, "<1@a.example>")
    data = b"".join([*made.fields, b"\r\n", *made.body])
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    (part,) = [one for one in message.walk() if one.get_content_type() == "text/html"]
    assert not part.defects
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    # A multipart's boundary takes the last line end of a part (RFC 2046 section 5.1.1).
    return payload.decode() if payload.endswith(b"\r\n") else payload.decode() + "\r\n"


@pytest.mark.parametrize("name", MARKED)
def test_marked_shape(name: str) -> None:
    marked = MARKED[name]
    assert sent(plain(marked), ALL) == tracked(marked)
    assert sent(plain(marked), Urls()) == wire(plain(marked).replace("{{v}}", "V").replace("{{v|a b}}", "V"))


def test_there_are_many_shapes_and_most_have_links() -> None:
    assert len(MARKED) >= 90
    assert sum("⟦" in marked or "⟪" in marked for marked in MARKED.values()) >= 60


@pytest.mark.parametrize("shape", ["VML background", "Word paste", "JSON-LD", "right to left", "two bodies"])
def test_a_page_cut_anywhere_changes_by_links_and_beacon_alone(shape: str) -> None:
    html = plain(MARKED[shape]).replace("{{v}}", "V")
    for end in range(1, len(html)):
        page = compile(Document("a@a.example", "s", "text", html[:end])).html(Person("b@b.example"), ALL)
        assert page is not None
        assert page.count(BEACON) == 1
        ours = re.sub(r"https://t\.example/c/b+/\d+", "⟦⟧", page.replace(BEACON, ""))
        pieces = ours.removesuffix("\r\n").split("⟦⟧")
        pattern = "https?://[^\"' >]+".join(map(re.escape, pieces))
        assert re.fullmatch(pattern, html[:end].rstrip("\r\n")), end


def test_a_page_of_a_megabyte_with_ten_thousand_links() -> None:
    row = '<tr><td style="background:url(https://a.example/b.png)"><a href="⟦https://a.example/%d⟧">é{{v}}</a></td></tr>\r\n'
    # One link less than are tracked.
    marked = "<body><table>" + "".join(row % n for n in range(9998)) + "</table>◆</body>"
    assert len(plain(marked).encode()) > 1_000_000
    assert sent(plain(marked), ALL) == tracked(marked)


# fmt: off
CHARSETS = {
    "us-ascii": "plain", "utf-8": "Grüße, Привет, 日本", "utf-7": "Grüße", "iso-8859-1": "Grüße à tous",
    "iso-8859-2": "Zażółć gęślą", "iso-8859-3": "Ħaġar", "iso-8859-4": "Rīga Šiauliai", "iso-8859-5": "Привет",
    "iso-8859-6": "مرحبا", "iso-8859-7": "Γειά σου", "iso-8859-8": "שלום", "iso-8859-9": "İstanbul ığş",
    "iso-8859-10": "Ærøskøbing ŋ", "iso-8859-13": "Šiauliai", "iso-8859-14": "Ẁŷ", "iso-8859-15": "10 €",
    "iso-8859-16": "Iași €", "windows-1250": "Příliš žluťoučký", "windows-1251": "Привет", "windows-1252": "“€ 10” – naïve",
    "windows-1253": "Γειά", "windows-1254": "ığş", "windows-1255": "שלום", "windows-1256": "مرحبا", "windows-1257": "Rīga",
    "windows-1258": "Đươ ₫", "koi8-r": "Привет", "koi8-u": "Привіт, їжак", "macintosh": "Grüße …", "cp437": "├─┤ é",
    "cp850": "Grüße", "cp866": "Привет", "gb2312": "你好", "gbk": "你好 朱镕基", "gb18030": "你好 𠮷", "big5": "你好",
    "big5-hkscs": "你好 嘅", "hz-gb-2312": "你好", "iso-2022-cn": "", "iso-2022-jp": "こんにちは 日本", "shift_jis": "こんにちは ソ表",
    "cp932": "①髙﨑", "euc-jp": "こんにちは", "euc-kr": "안녕하세요", "cp949": "안녕 똠", "iso-2022-kr": "안녕하세요", "tis-620": "สวัสดี",
    "windows-874": "สวัสดี…",
}
# fmt: on
PYTHON = {"macintosh": "mac_roman", "hz-gb-2312": "hz", "windows-874": "cp874"}


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_page_that_names_another_charset_goes_as_utf_8_with_its_letters(charset: str) -> None:
    # What a <meta> says gives way to the part's own charset (HTML standard, section 13.2.3.2), so it stays.
    marked = (
        f'<head><meta http-equiv="Content-Type" content="text/html; charset={charset}"><meta charset={charset}></head>'
        f'<body><p>{CHARSETS[charset]}</p><a href="⟦https://a.example/⟧">{CHARSETS[charset]}</a>◆</body>'
    )
    assert sent(plain(marked), ALL) == tracked(marked)


@pytest.mark.parametrize("charset", [name for name, text in CHARSETS.items() if text])
def test_a_raw_message_in_any_charset_keeps_every_octet(charset: str) -> None:
    octets = CHARSETS[charset].encode(PYTHON.get(charset, charset))
    body = b"<p>" + octets + b'</p><a href="https://a.example/">x</a>\r\n'
    head = b"From: a@a.example\r\nTo: b@b.example\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=%b\r\n"
    made = render_raw(prepare(head % charset.encode() + b"\r\n" + body), DATE, "<1@a.example>")
    assert b"".join(made.body) == body
    assert made.eight_bit is (not octets.isascii())
