"""From, To, Cc and Reply-To."""

from email import message_from_bytes
from email.policy import SMTP

import pytest

from mta.address import Mailbox, parse
from mta.mime.compile import compile
from mta.mime.document import ContentError, Document, Person, Urls
from mta.mime.mailboxes import mailbox_field, parse_list, to_field


@pytest.mark.parametrize(
    ("email", "name", "field"),
    [
        ("a@b.example", "", "To: a@b.example\r\n"),
        ("a@b.example", "Bob Smith", "To: Bob Smith <a@b.example>\r\n"),
        ("a@b.example", "  Bob   Smith ", "To: Bob Smith <a@b.example>\r\n"),
        ("a@b.example", "Bob O'Neil", "To: Bob O'Neil <a@b.example>\r\n"),
        ("a@b.example", "Smith, Bob", 'To: "Smith, Bob" <a@b.example>\r\n'),
        ("a@b.example", 'Bob "Bo" \\ Smith', 'To: "Bob \\"Bo\\" \\\\ Smith" <a@b.example>\r\n'),
        ("a@b.example", "x@y.example", 'To: "x@y.example" <a@b.example>\r\n'),
        ("a@b.example", "Jörg", "To: =?utf-8?B?SsO2cmc=?= <a@b.example>\r\n"),
        ("a@B.Example", "", "To: a@b.example\r\n"),
        ('"a b"@b.example', "B", 'To: B <"a b"@b.example>\r\n'),
        ("ö@b.example", "B", "To: B <ö@b.example>\r\n"),
        ("a@ü.example", "", "To: a@xn--tda.example\r\n"),
        ("x" * 60 + "@b.example", "Bob Smith", "To: Bob Smith\r\n <" + "x" * 60 + "@b.example>\r\n"),
    ],
)
def test_to(email: str, name: str, field: str) -> None:
    assert to_field(email, name).decode() == field


def test_a_long_name_is_folded_between_encoded_words() -> None:
    name = "Größe and many other words " * 20
    field = to_field("a@b.example", name)
    lines = field.decode("ascii").split("\r\n")
    assert len(lines) > 4
    assert all(len(line) <= 78 for line in lines)
    words = field.decode().removeprefix("To: ").split()
    assert words.pop() == "<a@b.example>"
    assert all(word.startswith("=?utf-8?Q?") and word.endswith("?=") and len(word) <= 75 for word in words)


@pytest.mark.parametrize(
    "bad", ["\r", "\n", "\r\n", "\0", "\x0b", "\x0c", "\t", "\x85", "\u2028", "\u2029", "\x7f", "\ud800"]
)
def test_control_characters_are_refused(bad: str) -> None:
    evil = f"a{bad}Bcc: x@example.org"
    with pytest.raises(ContentError, match="`name` holds the character U"):
        to_field("a@b.example", evil)
    with pytest.raises(ContentError, match="`email` holds the character U"):
        to_field(f"a{bad}@b.example", "")
    for member, field in (
        ("sender", "from"),
        ("reply_to", "reply_to"),
        ("to_header", "to"),
        ("cc_header", "cc"),
    ):
        members = {"sender": "a@a.example", "subject": "s", "text": "t", member: f"{evil} <a@b.example>"}
        with pytest.raises(ContentError) as caught:
            compile(Document(**members))  # type: ignore[arg-type]
        assert caught.value.field == field


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ContentError, match="`email` is no address"):
        to_field("a b@c.example", "")
    with pytest.raises(ContentError, match=r"`from` is no mailbox: .*write it like Jo <jo@example.com>"):
        compile(Document("Acme", "s", "t"))
    with pytest.raises(ContentError, match="`name` is longer than 998 characters"):
        to_field("a@b.example", "x" * 999)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b.example", [("", "a@b.example")]),
        ("a@b.example, C <c@d.example>", [("", "a@b.example"), ("C", "c@d.example")]),
        ('"C, D" <c@d.example>,a@b.example', [("C, D", "c@d.example"), ("", "a@b.example")]),
        ("C, D <c@d.example>, a@b.example", [("C, D", "c@d.example"), ("", "a@b.example")]),
        ('"x \\", <y@z.example>" <c@d.example>', [('x ", <y@z.example>', "c@d.example")]),
        ("", []),
        (" ", []),
    ],
)
def test_lists(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(one.name, str(one.address)) for one in parse_list(text, "to")] == expected


@pytest.mark.parametrize(
    "text", ["a@b.example, ", "a@b.example c@d.example", "a@b.example,,c", '"a@b.example', "x"]
)
def test_bad_lists(text: str) -> None:
    if text.endswith(", "):
        assert len(parse_list(text, "cc")) == 1
    else:
        with pytest.raises(ContentError, match="`cc` is no mailbox"):
            parse_list(text, "cc")


def test_long_lists_are_folded_and_bounded() -> None:
    boxes = [Mailbox("Jörg, Groß" if n % 2 else "", parse(f"{n}@b.example")) for n in range(200)]
    field = mailbox_field("Cc", boxes)
    assert max(map(len, field.split(b"\r\n"))) <= 78
    addresses = message_from_bytes(field + b"\r\n", policy=SMTP)["Cc"].addresses
    assert [(a.display_name, a.addr_spec) for a in addresses] == [(b.name, str(b.address)) for b in boxes]
    with pytest.raises(ContentError, match="more than 1000 mailboxes"):
        parse_list(",".join(["a@b.example"] * 1001), "to")


def test_a_message_has_the_recipients_it_was_given() -> None:
    document = Document(
        "Acme <a@a.example>", "s", "t", to_header="B <b@b.example>, c@c.example", cc_header="d@d.example",
        reply_to="Help <help@a.example>",
    )  # fmt: skip
    fields = compile(document).render(Person("x@x.example"), Urls(), "now", "1@a.example").fields
    assert fields[1:3] == [b"From: Acme <a@a.example>\r\n", b"To: B <b@b.example>, c@c.example\r\n"]
    assert b"Cc: d@d.example\r\n" in fields
    assert b"Reply-To: Help <help@a.example>\r\n" in fields
    document = Document("a@a.example", "s", "t", to_header="")
    fields = compile(document).render(Person("x@x.example"), Urls(), "now", "1@a.example").fields
    assert fields[2] == b"To: undisclosed-recipients:;\r\n"
