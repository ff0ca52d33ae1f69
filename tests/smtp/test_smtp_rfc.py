"""The rows of the RFC matrix that the dialogue keeps: one case file a row, one play a case (tests/smtp/cases)."""

from pathlib import Path

import pytest

from mta.reply import Reply
from mta.smtp import wire
from mta.smtp.capabilities import Capabilities
from mta.smtp.dialogue import Dialogue, Done, Ended, Envelope
from mta.smtp.dsn import MAX_ENVID, Dsn, xtext
from mta.smtp.transitions import STAGE, TABLE, Act, Step
from mta.smtp.turns import Turns
from mta.smtp.wire import WireError
from mta.verdict import Deferred, Failed, Stage, judge
from tests.smtp.plays import CUTS, Play, act, read

FILES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
PLAYS = [pytest.param(play, id=f"{path.stem}: {play.title}") for path in FILES for play in read(path)]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("play", PLAYS)
def test_row(play: Play, cut: str) -> None:
    if "whole" in play.words:
        cut = "whole"
    act(play.lines, play.caps, cut, play.words)


def test_every_case_file_has_plays() -> None:
    assert len(FILES) >= 10
    assert all(read(path) for path in FILES)


def test_every_row_of_the_table_is_complete_and_has_its_method() -> None:
    assert set(TABLE) == set(Step)
    assert all(hasattr(Turns, f"_{act.value}") for act in Act)
    assert set(Step) - set(STAGE) == {Step.IDLE, Step.QUIT, Step.ENDED}
    assert {act for row in TABLE.values() for act in row} == set(Act)


# RFC 5321 replies, RFC 2034, 3463, 5248: what a reply means


@pytest.mark.parametrize(
    "code, lines, enhanced",
    [
        (550, ("5.1.1 no such user",), "5.1.1"),
        (550, ("no such user", "5.1.1 really"), "5.1.1"),
        (550, ("5.1.1",), "5.1.1"),
        (450, ("5.1.1 odd",), ""),  # the reply code decides
        (550, ("4.2.2 odd",), ""),
        (250, ("2.0.0 ok",), "2.0.0"),
        (550, ("no such user 5.1.1",), ""),
        (550, ("5.1.1x",), ""),
        (550, ("5.1.1111 too long",), ""),
        (550, ("",), ""),
        (550, ("5.1.\u0661 not a digit here",), ""),
    ],
)
def test_rfc_2034_a_status_counts_only_if_its_class_fits_the_reply(
    code: int, lines: tuple[str, ...], enhanced: str
) -> None:
    assert Reply(code, lines).enhanced == enhanced


def test_rfc_2034_no_reply_lends_its_status_to_the_next() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, enhanced=True))
    dialogue.offer(Envelope("a", "s@b", ("x@y", "z@y")))
    dialogue.outgoing()
    (done,) = dialogue.receive(b"250 2.1.0 ok\r\n550 5.1.1 who\r\n550 who\r\n")
    assert isinstance(done, Done)
    assert [verdict.reply.enhanced for verdict in done.verdicts] == ["5.1.1", ""]


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize("code", [400, 421, 450, 499])
def test_rfc_5321_class_4_is_never_final(stage: Stage, code: int) -> None:
    assert isinstance(judge(stage, Reply(code, ("5.1.1 no",))), Deferred)


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize("code", [500, 550, 553, 554, 599])
def test_rfc_5321_class_5_is_final_whatever_its_status_says(stage: Stage, code: int) -> None:
    assert isinstance(judge(stage, Reply(code, ("4.2.0 later",))), Failed)


# RFC 5321 envelope


def test_rfc_5321_envelope_a_local_part_is_kept_byte_for_byte() -> None:
    for address in (
        "MiXed.Case@y",
        '"a b"@y',
        '"a\\"b"@y',
        "a+b/c=d@y",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
    ):
        assert wire.rcpt(address) == f"RCPT TO:<{address}>\r\n".encode()


@pytest.mark.parametrize(
    "address", ["x" * 65 + "@y", "x@" + "y" * 253, "@relay,@other:x@y", "x@y.example\r\n", "x@ü.example"]
)
def test_rfc_5321_envelope_what_is_too_long_routed_or_not_a_label_is_refused(address: str) -> None:
    with pytest.raises(WireError):
        wire.rcpt(address)


def test_rfc_5321_envelope_no_command_is_longer_than_512_octets_and_its_extensions() -> None:
    longest = f"{'x' * 64}@{'y' * 189}"
    reports = Dsn("FULL", ("SUCCESS", "FAILURE", "DELAY"), "e" * MAX_ENVID, (longest,))
    dialogue = Dialogue(
        Capabilities(size=0, eight_bit=True, utf8=True, dsn=True, requiretls=True), verified=True
    )
    dialogue.offer(Envelope("a", longest, (longest,), 10**19, True, True, reports, True))
    (mail,) = dialogue.outgoing()
    # RFC 1870 adds 26 octets, RFC 6152 17, RFC 6531 10, RFC 8689 11, RFC 3461 9 and 107
    assert len(mail) <= 512 + 26 + 17 + 10 + 11 + 9 + 107
    dialogue.receive(b"250 ok\r\n")
    (rcpt,) = dialogue.outgoing()
    assert len(rcpt) <= 512 + 28 + 507


def test_rfc_5321_envelope_at_most_100_recipients() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True))
    with pytest.raises(WireError, match="100 recipients"):
        dialogue.offer(Envelope("a", "s@b", tuple(f"x{i}@y" for i in range(101))))
    dialogue.offer(Envelope("a", "s@b", tuple(f"x{i}@y" for i in range(100))))
    assert b"".join(dialogue.outgoing()).count(b"RCPT TO:") == 100


def test_rfc_5321_envelope_on_452_the_rest_may_follow_at_once() -> None:
    def surplus(*replies: str, dot: str = "250 ok") -> tuple[int, ...]:
        dialogue = Dialogue(Capabilities(pipelining=True))
        news = dialogue.offer(Envelope("a", "s@b", tuple(f"x{i}@y" for i in range(len(replies)))))
        dialogue.outgoing()
        accepted = any(reply[0] == "2" for reply in replies)
        lines = ["250 ok", *replies, "354 go" if accepted else "554 none"]
        news = dialogue.receive("".join(f"{line}\r\n" for line in lines).encode())
        if accepted:
            dialogue.content([b"a\r\n"])
            dialogue.outgoing()
            news = dialogue.receive(f"{dot}\r\n".encode())
        (done,) = news
        assert isinstance(done, Done)
        return done.surplus()

    assert surplus("250 ok", "452 too many", "552 too many") == (1, 2)
    assert surplus("250 ok", "452 4.5.3 too many", "452 4.5.3 too many", dot="451 later") == (1, 2)
    assert surplus("250 ok", "452 4.3.1 disk full", "452 4.2.2 mailbox full", "450 greylisted") == ()
    assert surplus("452 too many", "452 too many") == (), "nobody was accepted, so it is not their number"
    assert surplus("452 full") == ()


# RFC 3461 DSN


@pytest.mark.parametrize(
    "text, coded",
    [
        ("plain", "plain"),
        ("a+b=c", "a+2Bb+3Dc"),
        ("a b", "a+20b"),
        ("\x01\x1f\x7f", "+01+1F+7F"),
        ("~!", "~!"),
    ],
)
def test_rfc_3461_xtext(text: str, coded: str) -> None:
    assert xtext(text) == coded


@pytest.mark.parametrize("text", ["a\0b", "é", "\ud800"])
def test_rfc_3461_xtext_of_nul_or_of_what_is_not_ascii_is_refused(text: str) -> None:
    with pytest.raises(WireError, match="xtext"):
        xtext(text)


@pytest.mark.parametrize(
    "reports, named",
    [
        (Dsn(ret="BODY"), "ret"),
        (Dsn(ret="FULL NOTIFY=NEVER"), "ret"),
        (Dsn(notify=("NEVER", "FAILURE")), "notify"),
        (Dsn(notify=("FAILURE", "FAILURE")), "notify"),
        (Dsn(notify=("failure",)), "notify"),
        (Dsn(envid="a\r\nRSET"), "envid"),
        (Dsn(envid="a\0b"), "envid"),
        (Dsn(envid="é"), "xtext"),
        (Dsn(envid="+" * 34), "envid"),
        (Dsn(orcpt=("x@y", "z@y")), "orcpt"),
        (Dsn(orcpt=("x@y\r\nRSET",)), "address"),
        (Dsn(orcpt=("é" * 32 + "@" + "y" * 180 + "+" * 90,)), "address"),
        (Dsn(orcpt=("é" + "+" * 62 + "@" + "y" * 189,)), "orcpt"),
    ],
)
def test_rfc_3461_parameters_that_must_not_reach_the_wire(reports: Dsn, named: str) -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, dsn=True))
    with pytest.raises(WireError, match=named):
        dialogue.offer(Envelope("a", "s@b", ("x@y",), dsn=reports))
    assert dialogue.outgoing() == []
    assert dialogue.idle


def test_rfc_3461_every_octet_of_an_address_outside_ascii_is_written_in_7_bits() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, dsn=True))
    dialogue.offer(Envelope("a", "s@b", ("x@y",), dsn=Dsn(orcpt=("\U0001f600=@y",))))
    sent = b"".join(dialogue.outgoing())
    assert rb" ORCPT=utf-8;\x{1F600}\x{3D}@y" in sent
    assert sent.isascii()


# local refusals


@pytest.mark.parametrize(
    "caps, envelope, status",
    [
        (Capabilities(size=10), Envelope("a", "s@b", ("x@y",), size=11), "5.3.4"),
        (Capabilities(), Envelope("a", "s@b", ("x@y",), eight_bit=True), "5.6.3"),
        (Capabilities(), Envelope("a", "s@b", ("x@y",), utf8=True), "5.6.7"),
        (Capabilities(), Envelope("a", "s@b", ("é@y",)), "5.6.7"),
        (Capabilities(requiretls=True), Envelope("a", "s@b", ("x@y",), requiretls=True), "5.7.30"),
    ],
    ids=["1870", "6152", "6531", "6531 recipient", "8689"],
)
def test_rfc_3463_own_refusals_carry_the_status_of_their_rfc(
    caps: Capabilities, envelope: Envelope, status: str
) -> None:
    (done,) = Dialogue(caps).offer(envelope)
    assert isinstance(done, Done)
    (verdict,) = done.verdicts
    assert isinstance(verdict, Failed)
    assert verdict.reply.local
    assert verdict.reply.enhanced == status


# RFC 2920: who broke the protocol is told


@pytest.mark.parametrize(
    "said, misbehaved",
    [
        (b"250 unasked\r\n", True),
        (b"rubbish\r\n", True),
        (b"250-a\r\n550 b\r\n", True),
        (b"421 idle too long\r\n", False),
    ],
)
def test_rfc_2920_a_server_that_broke_the_protocol_is_named(said: bytes, misbehaved: bool) -> None:
    dialogue = Dialogue(Capabilities(pipelining=True))
    (ended,) = dialogue.receive(said)
    assert isinstance(ended, Ended)
    assert (dialogue.misbehaved, ended.misbehaved) == (misbehaved, misbehaved)
    assert dialogue.why == ended.why
    dialogue.receive(b"more rubbish\r\n")
    assert dialogue.misbehaved is misbehaved


def test_rfc_2920_a_lost_connection_is_no_breach() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True))
    dialogue.eof("gone")
    assert (dialogue.misbehaved, dialogue.why) == (False, "gone")


def test_rfc_2920_half_a_reply_before_any_command_is_no_answer_to_it() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True))
    assert dialogue.receive(b"250 o") == []
    unsent, ended = dialogue.offer(Envelope("a", "s@b", ("x@y",)))
    assert (type(unsent).__name__, type(ended).__name__) == ("Unsent", "Ended")
    assert dialogue.misbehaved
    assert dialogue.outgoing() == []


# RFC 3030: what a driver may ask


def test_rfc_3030_eager_is_for_an_idle_session_with_both_extensions() -> None:
    both = Capabilities(pipelining=True, chunking=True)
    assert Dialogue(both, chunking=True).eager
    assert not Dialogue(both).eager
    assert not Dialogue(both, chunking=True, pipeline=False).eager
    assert not Dialogue(Capabilities(chunking=True), chunking=True).eager
    dialogue = Dialogue(both, chunking=True)
    dialogue.offer(Envelope("a", "s@b", ("x@y",)), [b"a\r\n"])
    assert not dialogue.eager
    assert b"".join(dialogue.outgoing()) == b"MAIL FROM:<s@b>\r\nRCPT TO:<x@y>\r\nBDAT 3 LAST\r\na\r\n"


def test_rfc_3030_content_that_is_not_awaited_is_misuse() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True))
    with pytest.raises(RuntimeError, match="not awaited"):
        dialogue.offer(Envelope("a", "s@b", ("x@y",)), [b"a\r\n"])
    assert dialogue.outgoing() == []


@pytest.mark.parametrize("bad", [b"a\n", b"a\rb\r\n", b"a\0\r\n", b"a"])
def test_rfc_3030_binary_content_is_not_sent(bad: bytes) -> None:
    caps = Capabilities(pipelining=True, chunking=True)
    dialogue = Dialogue(caps, chunking=True)
    with pytest.raises(WireError):
        dialogue.offer(Envelope("a", "s@b", ("x@y",)), [bad])
    assert dialogue.outgoing() == []
    assert dialogue.idle
    dialogue.offer(Envelope("a", "s@b", ("x@y",)))
    dialogue.outgoing()
    dialogue.receive(b"250 ok\r\n250 ok\r\n")
    with pytest.raises(WireError):
        dialogue.content([bad])
    assert [type(one).__name__ for one in dialogue.decline("bad content")] == ["Done"]
    assert dialogue.idle


def test_rfc_3030_nobody_rides_behind_content_that_goes_to_nobody() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, chunking=True), chunking=True)
    dialogue.offer(Envelope("a", "s@b", ("x@y",)), [b"a\r\n"])
    dialogue.outgoing()
    dialogue.receive(b"250 ok\r\n550 who\r\n")
    assert not dialogue.room
    dialogue.receive(b"503 no recipients\r\n")
    assert dialogue.room


# RFC 1047: what was not written can't have been taken


def _sent(caps: Capabilities, rider: bool) -> tuple[Dialogue, int, int]:
    """Return a dialogue with all out, and the octets of the content and of who rides behind it."""
    dialogue = Dialogue(caps, chunking=True)
    dialogue.offer(Envelope("a", "s@b", ("x@y",)))
    dialogue.outgoing()
    dialogue.receive(b"250 ok\r\n250 ok\r\n" + (b"" if caps.chunking else b"354 go\r\n"))
    dialogue.content([b"a\r\n"])
    content = sum(map(len, dialogue.outgoing()))
    if rider:
        dialogue.offer(Envelope("b", "s@b", ("x@y",)))
    return dialogue, content, sum(map(len, dialogue.outgoing()))


@pytest.mark.parametrize("rider", [False, True])
@pytest.mark.parametrize("chunking", [False, True])
def test_rfc_1047_only_content_that_is_out_whole_is_unsure(rider: bool, chunking: bool) -> None:
    caps = Capabilities(pipelining=True, chunking=chunking)
    _, content, behind = _sent(caps, rider)
    for unwritten in range(content + behind + 1):
        dialogue = _sent(caps, rider)[0]
        done = dialogue.eof("gone", unwritten)[0]
        assert isinstance(done, Done)
        (verdict,) = done.verdicts
        assert isinstance(verdict, Deferred)
        assert verdict.unsure is (unwritten <= behind)
        assert verdict.stage is (Stage.DOT if verdict.unsure else Stage.BODY)


def test_rfc_1047_content_that_was_never_handed_out_is_not_unsure() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, chunking=True), chunking=True)
    dialogue.offer(Envelope("a", "s@b", ("x@y",)), [b"a\r\n"])
    done = dialogue.eof("gone")[0]
    assert isinstance(done, Done)
    (verdict,) = done.verdicts
    assert isinstance(verdict, Deferred)
    assert not verdict.unsure


def test_rfc_5321_a_deadline_may_count_replies() -> None:
    dialogue = Dialogue(Capabilities(pipelining=True))
    dialogue.offer(Envelope("a", "s@b", ("x@y",)))
    dialogue.outgoing()
    counts = []
    for piece in (b"25", b"0-a\r\n", b"250 b\r\n", b"250 c\r\n354 d\r\n"):
        dialogue.receive(piece)
        counts.append(dialogue.heard)
    assert counts == [0, 0, 1, 3]
