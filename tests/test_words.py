"""Floor 0: addresses, replies, verdicts and message records."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.address import AddressError, domain_of, parse, parse_mailbox
from mta.message import ID_BYTES, Class, Lane, MessageId, Record
from mta.reply import Reply
from mta.verdict import Deferred, Delivered, Failed, Stage, judge, unanswered

# addresses

ADDRESSES = {
    "jo@example.net": ("jo", "example.net"),
    "  jo@example.net ": ("jo", "example.net"),
    "Jo.X+tag=1@EXAMPLE.Net": ("Jo.X+tag=1", "example.net"),
    "jo@example.net.": ("jo", "example.net"),
    "!#$%&'*+/=?^_`{|}~-@a.b": ("!#$%&'*+/=?^_`{|}~-", "a.b"),
    '"a b"@example.net': ('"a b"', "example.net"),
    '"a@b"@example.net': ('"a@b"', "example.net"),
    '"a\\"b"@example.net': ('"a\\"b"', "example.net"),
    '""@example.net': ('""', "example.net"),
    "jos\u00e9@example.net": ("jos\u00e9", "example.net"),
    "jo@b\u00fccher.example": ("jo", "xn--bcher-kva.example"),
    "jo@B\u00dcCHER.example": ("jo", "xn--bcher-kva.example"),
    "jo@b\u00fccher.example\u3002": ("jo", "xn--bcher-kva.example"),
    "x" * 64 + "@example.net": ("x" * 64, "example.net"),
    "jo@" + ".".join(["b" * 63] * 3 + ["c" * 61]): ("jo", ".".join(["b" * 63] * 3 + ["c" * 61])),
    "jo@1and1.example": ("jo", "1and1.example"),
    "jo@localhost": ("jo", "localhost"),
}

NOT_ADDRESSES = [
    "", " ", "jo", "@", "jo@", "@example.net", "jo@.", "jo@example..net", "jo@.example.net", "jo@example.net..",
    "jo x@example.net", "jo@exa mple.net", "jo @example.net", "jo@ example.net", ".jo@example.net", "jo.@example.net",
    "j..o@example.net", "jo@-example.net", "jo@example-.net", "jo@exam_ple.net", "jo@[192.0.2.1]", "jo@" + "b" * 64,
    "jo@example.net>", "<jo@example.net>", "jo@example.net\r\n", "jo\r\nBcc: x@y@example.net", "jo\0@example.net",
    "jo\x7f@example.net", "jo\x85@example.net", "jo\u2028@example.net", "jo@example.net\n", '"a"b"@example.net',
    '"a@example.net', 'a"b"@example.net', '"a\\"@example.net', "jo,x@example.net", "@a,@b:jo@example.net",
    "x" * 65 + "@example.net", "\u00e9" * 33 + "@example.net", "jo@" + "b." * 127 + "bb", "jo@\u00ad",
    "jo@\u2603\u0301-.x",
    "jo@127.0.0.1", "jo@2130706433", "jo@example.1", "jo@0x7f.1", "jo@127.0x1", "jo@\uff11\uff12.\uff13",
    "j\ud800o@example.net", "jo@ex\ud800mple.net", "jo@" + "\u00fc" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES, ids=ascii)
def test_addresses(text: str) -> None:
    address = parse(text)
    assert (address.local, address.domain) == ADDRESSES[text]
    assert address.utf8 is (not address.local.isascii())
    assert parse(str(address)) == address


@pytest.mark.parametrize("text", NOT_ADDRESSES, ids=lambda text: ascii(text[:40]))
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert len(str(caught.value)) < 500


@given(st.text(max_size=40) | st.text(alphabet='a.@" \\\r\n<>[]-1xn', max_size=16))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        address = parse(text)
    except AddressError:
        return
    assert parse(str(address)) == address
    assert address.domain.isascii()
    assert address.domain == address.domain.lower()
    assert not set(str(address)) & set("\r\n\0")


def test_domain_of_alone() -> None:
    assert domain_of("Example.NET.") == "example.net"
    with pytest.raises(AddressError, match="host name"):
        domain_of("a b")


MAILBOXES = {
    "jo@example.net": ("", "jo@example.net"),
    "<jo@example.net>": ("", "jo@example.net"),
    "Jo <jo@example.net>": ("Jo", "jo@example.net"),
    " Jo  Smith  < jo@example.net > ": ("Jo  Smith", "jo@example.net"),
    '"Smith, Jo" <jo@example.net>': ("Smith, Jo", "jo@example.net"),
    '"J \\"o\\" \\\\" <jo@example.net>': ('J "o" \\', "jo@example.net"),
    "Jos\u00e9 <jo@example.net>": ("Jos\u00e9", "jo@example.net"),
    "a <b> c <jo@example.net>": ("a <b> c", "jo@example.net"),
    '"x@y" <jo@example.net>': ("x@y", "jo@example.net"),
    'Jo <"a b"@example.net>': ("Jo", '"a b"@example.net'),
    '"<" <jo@example.net>': ("<", "jo@example.net"),
}

NOT_MAILBOXES = [
    "", "Jo", "Jo <>", "<>", "jo@example.net>", "Jo jo@example.net", "Jo <jo@example.net", "Jo <jo@example.net> x",
    "Jo\r\nBcc: x <jo@example.net>", "Jo\0 <jo@example.net>", "Jo\u2028 <jo@example.net>", "J\ud800 <jo@example.net>",
    "x" * 999 + " <jo@example.net>", "Jo <a@b.example>, <jo@example.net>x", "<a@b.example><c@d.example>>",
]  # fmt: skip


@pytest.mark.parametrize("text", MAILBOXES, ids=ascii)
def test_mailboxes(text: str) -> None:
    mailbox = parse_mailbox(text)
    assert (mailbox.name, str(mailbox.address)) == MAILBOXES[text]


@pytest.mark.parametrize("text", NOT_MAILBOXES, ids=lambda text: ascii(text[:40]))
def test_what_is_no_mailbox(text: str) -> None:
    with pytest.raises(AddressError):
        parse_mailbox(text)


# replies


def test_a_reply_in_words() -> None:
    reply = Reply(550, ("5.1.1 no such user", "", "ask postmaster"))
    assert reply.text == "5.1.1 no such user ask postmaster"
    assert str(reply) == "550 5.1.1 no such user ask postmaster"
    assert reply.kind == 5
    assert str(Reply(250)) == "250"


@pytest.mark.parametrize(
    "code, lines, enhanced",
    [
        (550, ("5.1.1 who",), "5.1.1"),
        (550, ("5.1.1",), "5.1.1"),
        (550, ("who", "5.1.1 who"), "5.1.1"),
        (550, ("5.7.1 no", "5.1.1 who"), "5.7.1"),
        (250, ("2.1.5 ok",), "2.1.5"),
        (451, ("4.7.650 slow",), "4.7.650"),
        (450, ("5.1.1 who",), ""),
        (550, ("4.2.2 full",), ""),
        (354, ("3.0.0 go",), ""),
        (550, ("who 5.1.1",), ""),
        (550, ("5.1.1.1 who",), ""),
        (550, ("5.1.1234 who",), ""),
        (550, ("55.1.1 who",), ""),
        (550, ("5.\u0661.1 who",), ""),
        (550, ("",), ""),
    ],
)
def test_enhanced_codes_count_when_their_class_fits(code: int, lines: tuple[str, ...], enhanced: str) -> None:
    assert Reply(code, lines).enhanced == enhanced


# verdicts

EVERY = list(Stage)
OPENING = (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS)


def test_only_a_2yz_to_the_dot_delivers() -> None:
    for stage in EVERY:
        for code in (200, 250, 251, 252, 299):
            assert isinstance(judge(stage, Reply(code)), Delivered) is (stage is Stage.DOT)
        for code in (334, 354, 400, 421, 450, 452, 499, 500, 521, 550, 552, 599):
            assert not isinstance(judge(stage, Reply(code)), Delivered)


@pytest.mark.parametrize("stage", EVERY)
def test_4yz_and_421_are_never_final(stage: Stage) -> None:
    for code in (400, 421, 450, 499):
        reply = Reply(code)
        assert judge(stage, reply) == Deferred(reply, stage, unsure=False)


@pytest.mark.parametrize("stage", EVERY)
def test_5yz_is_final_once_it_is_about_the_message(stage: Stage) -> None:
    reply = Reply(550)
    assert isinstance(judge(stage, reply), Deferred if stage in OPENING else Failed)
    assert isinstance(judge(stage, Reply(550, local=True)), Failed), "we know what we said it about"


def test_552_to_rcpt_is_452() -> None:
    assert isinstance(judge(Stage.RCPT, Reply(552)), Deferred)
    assert isinstance(judge(Stage.DOT, Reply(552)), Failed)
    assert isinstance(judge(Stage.MAIL, Reply(552)), Failed)


@pytest.mark.parametrize("stage", EVERY)
def test_unanswered_is_unsure_after_the_dot_alone(stage: Stage) -> None:
    verdict = unanswered(stage, "connection lost")
    assert verdict.unsure is (stage is Stage.DOT)
    assert verdict.stage is stage
    assert verdict.reply.local
    assert verdict.reply.enhanced == "4.4.2"
    assert "connection lost" in verdict.reply.text
    assert ("more than once" in verdict.reply.text) is verdict.unsure


def test_a_verdict_carries_its_reply() -> None:
    for code in (250, 450, 550):
        reply = Reply(code, ("why",))
        assert judge(Stage.DOT, reply).reply is reply


# messages

ids = st.builds(MessageId, st.integers(0, 255), st.integers(0, 2**48 - 1), st.integers(0, 2**16 - 1))


@given(ids, ids)
@settings(max_examples=100, deadline=None)
def test_message_ids_pack_and_sort(a: MessageId, b: MessageId) -> None:
    assert len(a.pack()) == ID_BYTES
    assert MessageId.unpack(a.pack()) == a
    assert (a < b) is (a.pack() < b.pack())


@pytest.mark.parametrize(
    "bad", [MessageId(256, 0, 0), MessageId(0, 2**48, 0), MessageId(0, 0, 2**16), MessageId(0, -1, 0)]
)
def test_a_message_id_out_of_range_is_not_packed(bad: MessageId) -> None:
    with pytest.raises(OverflowError):
        bad.pack()


@pytest.mark.parametrize("raw", [b"", b"12345678", b"1234567890"])
def test_a_packed_id_has_nine_bytes(raw: bytes) -> None:
    with pytest.raises(ValueError, match="9 bytes"):
        MessageId.unpack(raw)


def test_lanes_are_spelled_and_read() -> None:
    lane = Lane(2, "bulk", "google", "acme", "spring-26")
    assert str(lane) == "2|bulk|google|acme|spring-26"
    assert Lane.parse(str(lane)) == lane
    assert lane.path == "bulk|google"
    assert Lane.parse(str(Lane(0, "default", "example.net", "acme"))).campaign == ""
    with pytest.raises(ValueError):
        Lane.parse("2|bulk")


def test_classes_are_ordered_by_urgency() -> None:
    assert sorted(Class) == [Class.URGENT, Class.TRANSACTIONAL, Class.BULK]
    assert Class.BULK.label == "bulk"


def test_records_do_not_share_their_values() -> None:
    one, two = (Record("n", "a@b", 0, 1) for _ in range(2))
    one.values.append("x")
    assert two.values == []
