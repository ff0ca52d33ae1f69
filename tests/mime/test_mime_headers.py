"""The header: owned fields, and that no merge value, name or title ever makes a field of its own."""

import pytest
from plain_renderer import received

from mta.mime.compile import compile
from mta.mime.document import ContentError, Document, Person, Urls

DATE = "Tue, 01 Jul 2025 10:52:37 +0000"
SEPARATORS = [
    "\r\n",
    "\r",
    "\n",
    "\0",
    "\x0b",
    "\x0c",
    "\t",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x7f",
    "\ud800",
]


def document(**members: object) -> Document:
    return Document(**{"sender": "Acme <a@a.example>", "subject": "s", "text": "t", **members})  # type: ignore[arg-type]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize(
    "members", [{"subject": "{{v}}"}, {"subject": "a {{{v}}}"}, {"headers": {"X-A": "{{v}}"}},
                {"headers": {"X-A": "{{v|x}}"}}]
)  # fmt: skip
def test_a_value_never_makes_a_field(members: dict[str, object], separator: str) -> None:
    compiled = compile(document(**members))
    evil = f"a{separator}Bcc: x@example.org"
    with pytest.raises(
        ContentError, match=r"`v` holds the character U\+[0-9A-F]{4}, which no header may hold"
    ):
        compiled.render(Person("b@b.example", "", [evil]), Urls(), DATE, "1@a.example")
    found = compiled.first_bad_value([evil])
    assert found
    assert found[0] == "v"


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize(
    "part", ["subject", "headers.X-A", "attachments[0].name", "attachments[0].type", "attachments[0].cid"]
)
def test_a_template_never_makes_a_field(part: str, separator: str) -> None:
    from mta.mime.document import Attachment

    evil = f"a{separator}Bcc: x@example.org"
    file = {"name": "a", "type": "a/b", "data": b"", "cid": "c"}
    members = {
        "subject": {"subject": evil},
        "headers.X-A": {"headers": {"X-A": evil}},
        "attachments[0].name": {"attachments": [Attachment(**{**file, "name": evil})]},  # type: ignore[arg-type]
        "attachments[0].type": {"attachments": [Attachment(**{**file, "type": evil})]},  # type: ignore[arg-type]
        "attachments[0].cid": {"attachments": [Attachment(**{**file, "cid": evil})]},  # type: ignore[arg-type]
    }
    with pytest.raises(ContentError) as caught:
        compile(document(**members[part]))
    assert caught.value.field == part


@pytest.mark.parametrize("separator", SEPARATORS)
def test_date_id_and_name_never_make_a_field(separator: str) -> None:
    compiled = compile(document())
    evil = f"a{separator}Bcc: x@example.org"
    with pytest.raises(ContentError):
        compiled.render(Person("b@b.example"), Urls(), evil, "1@a.example")
    with pytest.raises(ContentError):
        compiled.render(Person("b@b.example"), Urls(), DATE, evil)
    with pytest.raises(ContentError):
        compiled.render(Person("b@b.example", evil), Urls(), DATE, "1@a.example")
    found = compiled.first_bad_value([], evil)
    assert found
    assert found[0] == "name"


def test_an_encoded_word_in_a_value_is_text() -> None:
    evil = "=?utf-8?Q?a=0D=0ABcc:_x@example.org?="
    compiled = compile(document(subject="{{v}}", headers={"X-A": "b {{v}}"}))
    message = received(compiled.render(Person("b@b.example", evil, [evil]), Urls(), DATE, "1@a.example"))
    assert message["Subject"] == evil
    assert message["X-A"] == f"b {evil}"
    assert message["To"].addresses[0].display_name.replace(" ", "") == evil.replace(" ", "")
    assert message["Bcc"] is None


def test_body_values_may_have_lines() -> None:
    compiled = compile(document(text="{{v}}"))
    assert compiled.first_bad_value(["a\r\nb\n\tc"]) is None
    assert compiled.header_fields == frozenset()


def test_values_of_headers_are_bounded() -> None:
    compiled = compile(document(subject="{{v}}"))
    assert compiled.first_bad_value(["x" * 998]) is None
    assert compiled.first_bad_value(["x" * 999]) == (
        "v",
        "is longer than the 998 characters a header takes; shorten it",
    )
    with pytest.raises(ContentError, match="`v` is longer"):
        compiled.render(Person("b@b.example", "", ["x" * 999]), Urls(), DATE, "1@a.example")


@pytest.mark.parametrize(
    "name",
    ["From", "to", "DATE", "Message-ID", "Received", "DKIM-Signature", "Return-Path", "MIME-Version", "Content-Type",
     "Content-X", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Bcc", "Cc", "Sender", "Subject", "Reply-To",
     "Resent-To", "ARC-Seal", "Feedback-ID", "X-Mta-Id"],
)  # fmt: skip
def test_owned_fields_are_refused(name: str) -> None:
    with pytest.raises(ContentError, match=f"`headers.{name}` is written by the engine; leave it out"):
        compile(document(headers={name: "x"}))


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X-A\r\nBcc", "X-Ä", "X\0", "x" * 77, " X"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ContentError, match="is no header name"):
        compile(document(headers={name: "x"}))


def test_fields_are_bounded_and_each_there_once() -> None:
    with pytest.raises(ContentError, match=r"`headers\.x-a` is there twice"):
        compile(document(headers={"X-A": "1", "x-a": "2"}))
    with pytest.raises(ContentError, match="`headers` are more than 100"):
        compile(document(headers={f"X-{n}": "1" for n in range(101)}))
    with pytest.raises(ContentError, match="`subject` is longer than 4000"):
        compile(document(subject="x" * 4001))


def test_the_whole_header() -> None:
    compiled = compile(document(subject="Hi {{v}}", headers={"X-A": "1", "X-B": "{{v}}é"}))
    extra = [b"List-Id: <x.a.example>\r\n"]
    rendered = compiled.render(Person("b@b.example", "Bo", ["Jo"]), Urls(), DATE, "<1@a.example>", extra)
    assert rendered.fields == [
        b"Date: Tue, 01 Jul 2025 10:52:37 +0000\r\n",
        b"From: Acme <a@a.example>\r\n",
        b"To: Bo <b@b.example>\r\n",
        b"Message-ID: <1@a.example>\r\n",
        b"Subject: Hi Jo\r\n",
        b"X-B: =?utf-8?Q?Jo=C3=A9?=\r\n",
        b"X-A: 1\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"List-Id: <x.a.example>\r\n",
    ]
    assert received(rendered)["X-B"] == "Joé"
    assert not rendered.eight_bit
