"""Attachments: names of every kind, types, Content-IDs, and bytes that come back as they were."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain_renderer import received

from mta.mime.compile import compile
from mta.mime.document import Attachment, ContentError, Document, Person, Urls

DATE = "Tue, 01 Jul 2025 10:52:37 +0000"


def sent(*attachments: Attachment, html: str | None = None):  # type: ignore[no-untyped-def]
    document = Document("a@a.example", "s", "t", html, attachments=list(attachments))
    rendered = compile(document).render(Person("b@b.example"), Urls(), DATE, "1@a.example")
    for line in b"".join(rendered.body).split(b"\r\n"):
        assert len(line) <= 78
    return list(received(rendered).walk())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("my invoice; (1) 50%.pdf", "my invoice; (1) 50%.pdf"),
        ('a "quoted" \\ name.pdf', "a _quoted_ _ name.pdf"),
        ("résumé.pdf", "resume.pdf"),
        ("日本語.pdf", "___.pdf"),
        ("=?utf-8?Q?=0D=0A?=.pdf", "_utf-8?Q?=0D=0A?=.pdf"),
        ("x" * 200 + ".pdf", "x" * 56 + ".pdf"),
        ("日" * 100 + ".pdf", "_" * 56 + ".pdf"),
        ("it's.pdf", "it's.pdf"),
        ("a%41'b*é.pdf", "a%41'b*e.pdf"),
        ("  spaces  .pdf ", "spaces  .pdf"),
        ("", None),
    ],
)
def test_names(name: str, shown: str | None) -> None:
    part = sent(Attachment(name, "application/pdf", b"%PDF"))[-1]
    assert part.get_filename() == (name.strip() or None)  # the reader strips it
    assert part["Content-Type"].params.get("name") == shown
    assert part.get_content() == b"%PDF"


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=255),
    st.binary(max_size=300),
)
def test_any_name_and_bytes_come_back(name: str, data: bytes) -> None:
    # The standard library's reader takes a pair of angle brackets off a name (email.utils.unquote).
    assume(not (name.strip().startswith("<") and name.strip().endswith(">")))
    part = sent(Attachment(name, "application/x-any", data))[-1]
    assert part.get_filename() == name.strip()
    assert part.get_content() == data


@pytest.mark.parametrize(
    "kind", ["application/pdf", "image/svg+xml", "text/calendar", "Application/X-A", "application/vnd.ms-x"]
)
def test_types(kind: str) -> None:
    part = sent(Attachment("a", kind, b"a\n.\r\nb\r\xff"))[-1]
    assert part.get_content_type() == kind.lower()
    assert part["Content-Transfer-Encoding"] == "base64"
    assert part.get_payload(decode=True) == b"a\n.\r\nb\r\xff"


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed", "MESSAGE/global"])
def test_types_that_must_not_be_base64_go_opaque(kind: str) -> None:
    assert (
        sent(Attachment("a.eml", kind, b"From: x\r\n"))[-1].get_content_type() == "application/octet-stream"
    )


@pytest.mark.parametrize(
    "kind", ["", "pdf", "a/", "/b", "a/b/c", "a/b; x=y", "a /b", "ä/b", "a/b\r\nX: y", "a/" + "b" * 128]
)
def test_what_is_no_type_is_refused(kind: str) -> None:
    with pytest.raises(ContentError, match=r"`attachments\[0\].type` is no media type"):
        sent(Attachment("a", kind, b""))


def test_inline_files() -> None:
    logo = Attachment("logo.png", "image/png", b"x", "logo@a.example")
    inline = sent(logo, html='<img src="cid:logo@a.example">')[-1]
    assert inline["Content-ID"] == "<logo@a.example>"
    assert inline.get_content_disposition() == "inline"
    assert sent(logo)[-1].get_content_disposition() == "attachment"
    for cid in ("", "a b", "a>b", "<a>", "a\r\nb", "é"):
        with pytest.raises(ContentError, match=r"`attachments\[0\].cid` is no Content-ID"):
            sent(Attachment("a", "a/b", b"", cid))
    with pytest.raises(ContentError, match=r"`attachments\[1\].cid` is another attachment's too"):
        sent(logo, logo)


def test_bounds() -> None:
    with pytest.raises(ContentError, match=r"`attachments\[0\].name` is longer than 255"):
        sent(Attachment("x" * 256, "a/b", b""))
    with pytest.raises(ContentError, match="`attachments` are more than 1000"):
        sent(*[Attachment("x", "a/b", b"")] * 1001)


def test_a_boundary_never_stands_in_the_content() -> None:
    first = Document("a@a.example", "s", "t", "<p>h")
    rendered = compile(first).render(Person("b@b.example"), Urls(), DATE, "1@a.example")
    boundary = received(rendered).get_boundary()
    evil = f"--{boundary}--\r\n--{boundary}\r\n"
    document = Document(
        "a@a.example", "s", evil + "{{v}}", evil, attachments=[Attachment("a", "text/plain", evil.encode())]
    )
    rendered = compile(document).render(Person("b@b.example", "", [evil]), Urls(), DATE, "1@a.example")
    message = received(rendered)
    assert len(list(message.walk())) == 5
    assert message.get_body(("plain",)).get_content().rstrip() == (evil + evil).rstrip()
    assert [
        b"".join(rendered.body).count(part.get_boundary().encode())
        for part in message.walk()
        if part.is_multipart()
    ] == [3, 4]
