"""The dialogue's conversations as plays (tests/smtp/plays.py), with DATA. Each is acted with whole segments, line by
line and byte by byte."""

from collections.abc import Iterator

import pytest

from mta.smtp.capabilities import Capabilities
from mta.smtp.dialogue import Dialogue, Done, Envelope
from mta.smtp.wire import WireError
from tests.smtp.plays import CUTS, act, content_of, envelope, shown

PIPELINING = Capabilities(pipelining=True)
SERIAL = Capabilities()
OFFERED = {"pipelining": PIPELINING, "serial": SERIAL}

GROUP = """
c: MAIL FROM:<s@b>
c: RCPT TO:<x@y>
c: DATA
"""
SENT_A = f"""
> offer a x@y
{GROUP}
s: 250 ok
s: 250 ok
s: 354 go
! need a
> content a
c: a
c: .
"""
SENT_A_THEN_B = f"""
{SENT_A}
> offer b x@y
{GROUP}
"""

PIPELINED = {
    "one message": f"""
        {SENT_A}
        s: 250 queued
        ! done a: delivered""",
    "one message in multi-line replies": f"""
        > offer a x@y
        {GROUP}
        s: 250-2.1.0 ok
        s: 250 2.1.0 ok
        s: 250-2.1.5 ok
        s: 250 2.1.5 ok
        s: 354-go
        s: 354 on
        ! need a
        > content a
        c: a
        c: .
        s: 250-queued
        s: 250 as x
        ! done a: delivered""",
    "the next rides behind the content": f"""
        {SENT_A_THEN_B}
        s: 250 queued
        s: 250 ok
        s: 250 ok
        s: 354 go
        ! done a: delivered
        ! need b
        > content b
        c: b
        c: .
        s: 250 queued
        ! done b: delivered
        > quit
        c: QUIT
        s: 221 bye
        ! ended 221 quit""",
    "the next is offered before the content": """
        > offer a x@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: DATA
        s: 250 ok
        s: 250 ok
        s: 354 go
        ! need a
        > offer b z@y
        > content a
        c: a
        c: .
        c: MAIL FROM:<s@b>
        c: RCPT TO:<z@y>
        c: DATA
        s: 250 queued
        ! done a: delivered
        s: 250 ok
        s: 250 ok
        s: 354 go
        ! need b""",
    "some recipients refused": """
        > offer a x@y z@y w@y v@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: RCPT TO:<z@y>
        c: RCPT TO:<w@y>
        c: RCPT TO:<v@y>
        c: DATA
        s: 250 ok
        s: 550 5.1.1 who
        s: 250 ok
        s: 450 later
        s: 251 forwarded
        s: 354 go
        ! need a
        > content a
        c: a
        c: .
        s: 250 queued
        ! done a: failed rcpt 550, delivered, deferred rcpt 450, delivered""",
    "too many recipients": """
        > offer a x@y z@y w@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: RCPT TO:<z@y>
        c: RCPT TO:<w@y>
        c: DATA
        s: 250 ok
        s: 250 ok
        s: 452 too many
        s: 552 too many
        s: 354 go
        ! need a
        > content a
        c: a
        c: .
        s: 550 spam
        ! done a: failed dot 550, deferred rcpt 452, deferred rcpt 552""",
    "all recipients refused, DATA too, then RSET in front of the next": """
        > offer a x@y z@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: RCPT TO:<z@y>
        c: DATA
        s: 250 ok
        s: 550 who
        s: 550 who
        ! done a: failed rcpt 550, failed rcpt 550
        s: 503 no recipients
        > offer b x@y
        c: RSET
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: DATA
        s: 250 flushed
        s: 250 ok
        s: 250 ok
        s: 354 go
        ! need b""",
    "all recipients refused, DATA accepted: a lone dot, no RSET": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 550 who
        s: 354 go
        ! done a: failed rcpt 550
        c: .
        s: 554 no valid recipients
        > offer b x@y
        {GROUP}
        s: 250 ok""",
    "the reply to a lone dot is nobody's verdict": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 450 later
        s: 354 go
        ! done a: deferred rcpt 450
        c: .
        s: 250 queued
        > quit
        c: QUIT
        > eof gone
        ! ended - gone""",
    "lost after a lone dot": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 550 who
        s: 354 go
        ! done a: failed rcpt 550
        c: .
        > eof gone
        ! ended - gone""",
    "MAIL refused: replies to the rest are read and mean nothing, no RSET": """
        > offer a x@y z@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: RCPT TO:<z@y>
        c: DATA
        s: 550 5.7.1 you again
        ! done a: failed mail 550, failed mail 550
        s: 503 MAIL first
        s: 450 MAIL first
        s: 503 MAIL first
        > offer b x@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: DATA
        s: 451 later
        s: 503 MAIL first
        s: 503 MAIL first
        ! done b: deferred mail 451""",
    "MAIL refused and 354 all the same": f"""
        > offer a x@y
        {GROUP}
        s: 451 later
        s: 250 fine
        s: 354 go
        ! done a: deferred mail 451
        c: .
        s: 250 queued
        > quit
        c: QUIT
        s: 221 bye
        ! ended 221 quit""",
    "DATA refused": """
        > offer a x@y z@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: RCPT TO:<z@y>
        c: DATA
        s: 250 ok
        s: 550 who
        s: 250 ok
        s: 451 later
        ! done a: failed rcpt 550, deferred data 451
        > offer b x@y
        c: RSET
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: DATA
        > eof gone
        ! unsent b
        ! ended - gone""",
    "RSET once and not again": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 250 ok
        s: 554 no
        ! done a: failed data 554
        > offer b x@y
        c: RSET
        {GROUP}
        s: 250 flushed
        s: 550 no
        s: 503 no
        s: 503 no
        ! done b: failed mail 550
        > offer c x@y
        {GROUP}
        s: 250 ok""",
    "RSET refused": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 250 ok
        s: 554 no
        ! done a: failed data 554
        > offer b x@y
        c: RSET
        {GROUP}
        s: 502 what
        ! unsent b
        ! ended 502 unexpected reply '502 what'""",
    "content refused for now": f"""
        {SENT_A}
        s: 451 4.7.1 greylisted
        ! done a: deferred dot 451
        > offer b x@y
        {GROUP}
        s: 250 ok""",
    "421 to MAIL": f"""
        > offer a x@y
        {GROUP}
        s: 421 4.7.0 slow down
        ! done a: deferred mail 421
        ! ended 421 the server closed the session""",
    "421 to the second RCPT": """
        > offer a x@y z@y w@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: RCPT TO:<z@y>
        c: RCPT TO:<w@y>
        c: DATA
        s: 250 ok
        s: 550 who
        s: 421 bye
        s: 221 bye
        ! done a: failed rcpt 550, deferred rcpt 421, deferred rcpt 421
        ! ended 421 the server closed the session""",
    "421 after a refused MAIL": f"""
        > offer a x@y
        {GROUP}
        s: 550 no
        s: 421 bye
        ! done a: failed mail 550
        ! ended 421 the server closed the session""",
    "421 to the dot, the next unsent": f"""
        {SENT_A_THEN_B}
        s: 421 bye
        ! done a: deferred dot 421
        ! unsent b
        ! ended 421 the server closed the session""",
    "421 to MAIL of who rode": f"""
        {SENT_A_THEN_B}
        s: 250 queued
        s: 421 enough
        ! done a: delivered
        ! done b: deferred mail 421
        ! ended 421 the server closed the session""",
    "421 while idle": """
        s: 421 idle too long
        ! ended 421 the server closed the session""",
    "lost before MAIL's reply": f"""
        > offer a x@y
        {GROUP}
        > eof gone
        ! done a: deferred mail own
        ! ended - gone""",
    "lost before 354": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 250 ok
        > eof gone
        ! done a: deferred data own
        ! ended - gone""",
    "lost in a multi-line reply": f"""
        {SENT_A}
        s: 250-queued
        > eof gone
        ! done a: unsure dot own
        ! ended - gone""",
    "lost after the dot": f"""
        {SENT_A}
        > eof gone
        ! done a: unsure dot own
        ! ended - gone""",
    "lost after the dot, the next unsent": f"""
        {SENT_A_THEN_B}
        > eof gone
        ! done a: unsure dot own
        ! unsent b
        ! ended - gone""",
    "lost after the dot's reply: who rode had no answer": f"""
        {SENT_A_THEN_B}
        s: 250 queued
        ! done a: delivered
        > eof gone
        ! unsent b
        ! ended - gone""",
    "lost after MAIL's reply to who rode": f"""
        {SENT_A_THEN_B}
        s: 250 queued
        s: 250 ok
        ! done a: delivered
        > eof gone
        ! done b: deferred rcpt own
        ! ended - gone""",
    "aborted in place of content": """
        > offer a x@y z@y
        c: MAIL FROM:<s@b>
        c: RCPT TO:<x@y>
        c: RCPT TO:<z@y>
        c: DATA
        s: 250 ok
        s: 250 ok
        s: 550 who
        s: 354 go
        ! need a
        > offer b x@y
        > abort can't be made
        ! done a: deferred body own, failed rcpt 550
        ! unsent b
        ! ended - can't be made""",
    "aborted after the dot": f"""
        {SENT_A}
        > abort shutting down
        ! done a: unsure dot own
        ! ended - shutting down""",
    "rubbish after the dot": f"""
        {SENT_A_THEN_B}
        s: Segmentation fault
        s: 250 queued
        ! done a: unsure dot own
        ! unsent b
        ! ended - not an SMTP reply: 'Segmentation fault'""",
    "rubbish after the dot's reply": f"""
        {SENT_A_THEN_B}
        s: 250 queued
        s: Segmentation fault
        ! done a: delivered
        ! unsent b
        ! ended - not an SMTP reply: 'Segmentation fault'""",
    "two codes in one reply": f"""
        {SENT_A}
        s: 250-queued
        s: 550 or not
        ! done a: unsure dot own
        ! ended - one reply has two codes, 250 and 550""",
    "rubbish before the dot is not unsure": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: rubbish
        ! done a: deferred rcpt own
        ! ended - not an SMTP reply: 'rubbish'""",
    "3yz to RCPT": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 354 go
        ! done a: deferred rcpt own
        ! ended 354 unexpected reply '354 go'""",
    "3yz to MAIL": f"""
        > offer a x@y
        {GROUP}
        s: 334 go
        ! done a: deferred mail own
        ! ended 334 unexpected reply '334 go'""",
    "2yz to DATA": f"""
        > offer a x@y
        {GROUP}
        s: 250 ok
        s: 250 ok
        s: 250 one too many
        ! done a: deferred data own
        ! ended 250 unexpected reply '250 one too many'""",
    "3yz to the dot": f"""
        {SENT_A}
        s: 354 go
        ! done a: unsure dot own
        ! ended 354 unexpected reply '354 go'""",
    "2yz to DATA after a refused MAIL": f"""
        > offer a x@y
        {GROUP}
        s: 550 no
        s: 503 no
        s: 250 ok
        ! done a: failed mail 550
        ! ended 250 unexpected reply '250 ok'""",
    "a reply that nobody asked for": f"""
        {SENT_A}
        s: 250 queued
        s: 250 queued
        ! done a: delivered
        ! ended 250 unexpected reply '250 queued'""",
    "rubbish while idle": """
        s: hello
        ! ended - not an SMTP reply: 'hello'""",
    "quit and the reply is odd": """
        > quit
        c: QUIT
        s: 500 what
        ! ended 500 quit""",
    "quit and rubbish": """
        > quit
        c: QUIT
        s: what
        ! ended - not an SMTP reply: 'what'""",
    "lost while idle": """
        > eof gone
        ! ended - gone
        > eof gone again
        > abort and again
        > quit
        s: 250 nobody listens""",
    "null sender": """
        > offer a sender= x@y
        c: MAIL FROM:<>
        c: RCPT TO:<x@y>
        c: DATA
        s: 250 ok""",
}

ONE_BY_ONE = {
    "one command at a time": """
        > offer a x@y z@y w@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 250 ok
        c: RCPT TO:<z@y>
        s: 550 who
        c: RCPT TO:<w@y>
        s: 250 ok
        c: DATA
        s: 354 go
        ! need a
        > content a
        c: a
        c: .
        s: 250 queued
        ! done a: delivered, failed rcpt 550, delivered
        > offer b x@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 250 ok
        c: DATA
        s: 354 go
        ! need b""",
    "MAIL refused: the next at once": """
        > offer a x@y z@y
        c: MAIL FROM:<s@b>
        s: 451 later
        ! done a: deferred mail 451, deferred mail 451
        > offer b x@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>""",
    "all recipients refused: no DATA, RSET before the next": """
        > offer a x@y z@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 550 who
        c: RCPT TO:<z@y>
        s: 450 later
        ! done a: failed rcpt 550, deferred rcpt 450
        > offer b x@y
        c: RSET
        s: 250 ok
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 250 ok
        c: DATA
        s: 451 later
        ! done b: deferred data 451
        > offer c x@y
        c: RSET
        s: 421 bye
        ! unsent c
        ! ended 421 the server closed the session""",
    "content refused: no RSET": """
        > offer a x@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 250 ok
        c: DATA
        s: 354 go
        ! need a
        > content a
        c: a
        c: .
        s: 554 spam
        ! done a: failed dot 554
        > offer b x@y
        c: MAIL FROM:<s@b>
        > eof gone
        ! done b: deferred mail own
        ! ended - gone""",
    "all refused, then quit": """
        > offer a x@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 550 who
        ! done a: failed rcpt 550
        > quit
        c: QUIT
        s: 221 bye
        ! ended 221 quit""",
    "421 to DATA": """
        > offer a x@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 250 ok
        c: DATA
        s: 421 bye
        ! done a: deferred data 421
        ! ended 421 the server closed the session""",
    "421 in place of waiting for content": """
        > offer a x@y
        c: MAIL FROM:<s@b>
        s: 250 ok
        c: RCPT TO:<x@y>
        s: 250 ok
        c: DATA
        s: 354 go
        ! need a
        s: 421 bye
        ! done a: deferred body 421
        ! ended 421 the server closed the session
        > content a""",
}

PLAYS = [("pipelining", name, play) for name, play in PIPELINED.items()] + [
    ("serial", name, play) for name, play in ONE_BY_ONE.items()
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("offered, name, play", PLAYS, ids=[name for _, name, _ in PLAYS])
def test_play(offered: str, name: str, play: str, cut: str) -> None:
    act(play, OFFERED[offered], cut)


OFFERS = {
    "SIZE and BODY and SMTPUTF8": (
        "a size=900 utf8 eight_bit x@y",
        Capabilities(pipelining=True, size=1000, eight_bit=True, utf8=True),
        "c: MAIL FROM:<s@b> SIZE=900 BODY=8BITMIME SMTPUTF8\nc: RCPT TO:<x@y>\nc: DATA",
    ),
    "SIZE without a limit": (
        "a size=900 x@y",
        Capabilities(pipelining=True, size=0, eight_bit=True, utf8=True),
        "c: MAIL FROM:<s@b> SIZE=900\nc: RCPT TO:<x@y>\nc: DATA",
    ),
    "size not known": (
        "a x@y",
        Capabilities(pipelining=True, size=10),
        "c: MAIL FROM:<s@b>\nc: RCPT TO:<x@y>\nc: DATA",
    ),
    "SIZE not offered": ("a size=900 x@y", PIPELINING, GROUP),
    "at the limit": (
        "a size=1000 x@y",
        Capabilities(pipelining=True, size=1000),
        "c: MAIL FROM:<s@b> SIZE=1000\nc: RCPT TO:<x@y>\nc: DATA",
    ),
    "over the limit": (
        "a size=1001 x@y z@y",
        Capabilities(pipelining=True, size=1000),
        "! done a: failed mail own, failed mail own",
    ),
    "8-bit, not offered": ("a eight_bit x@y", PIPELINING, "! done a: failed mail own"),
    "utf8, not offered": ("a utf8 x@y", PIPELINING, "! done a: failed mail own"),
    "utf8 sender, not offered": ("a sender=\u00e9@b x@y", PIPELINING, "! done a: failed mail own"),
    "utf8 sender": (
        "a sender=\u00e9@b x@y",
        Capabilities(pipelining=True, utf8=True),
        "c: MAIL FROM:<\u00e9@b> SMTPUTF8\nc: RCPT TO:<x@y>\nc: DATA",
    ),
    "utf8 recipient": (
        "a x@y \u00e9@y",
        Capabilities(pipelining=True, utf8=True),
        "c: MAIL FROM:<s@b> SMTPUTF8\nc: RCPT TO:<x@y>\nc: RCPT TO:<\u00e9@y>\nc: DATA",
    ),
    "utf8 recipients alone, not offered": (
        "a \u00e9@y \u00e8@y",
        PIPELINING,
        "! done a: failed rcpt own, failed rcpt own",
    ),
    "utf8 recipient among others, not offered": (
        "a \u00e9@y x@y",
        PIPELINING,
        f"""{GROUP}
        s: 250 ok
        s: 250 ok
        s: 354 go
        ! need a
        > content a
        c: a
        c: .
        s: 250 queued
        ! done a: failed rcpt own, delivered""",
    ),
}


@pytest.mark.parametrize("name", OFFERS)
def test_what_is_offered_decides_the_parameters(name: str) -> None:
    words, caps, rest = OFFERS[name]
    act(f"> offer {words}\n{rest}", caps)


@pytest.mark.parametrize("status, words", [("5.3.4", "size=11"), ("5.6.3", "eight_bit"), ("5.6.7", "utf8")])
def test_own_refusals_carry_their_status_and_leave_the_session_idle(status: str, words: str) -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, size=10))
    (done,) = dialogue.offer(envelope(["a", words, "x@y"]))
    assert isinstance(done, Done)
    assert done.verdicts[0].reply.enhanced == status
    assert done.verdicts[0].reply.local
    assert dialogue.idle
    assert dialogue.outgoing() == []


def test_pipelining_can_be_turned_off() -> None:
    dialogue = Dialogue(PIPELINING, pipeline=False)
    dialogue.offer(envelope(["a", "x@y"]))
    assert dialogue.outgoing() == [b"MAIL FROM:<s@b>\r\n"]


def walk(dialogue: Dialogue) -> Iterator[tuple[bool, bool, str]]:
    """Go through two transactions; yield room, idle and stage at each step."""

    def state() -> tuple[bool, bool, str]:
        return dialogue.room, dialogue.idle, dialogue.stage or "-"

    yield state()
    dialogue.offer(envelope(["a", "x@y"]))
    yield state()
    for line in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        assert dialogue.outgoing() or dialogue.stage in ("rcpt", "data")
        dialogue.receive(line)
        yield state()
    dialogue.content(content_of("a"))
    yield state()
    if dialogue.room:
        dialogue.offer(envelope(["b", "x@y"]))
        yield state()
    dialogue.outgoing()
    dialogue.receive(b"250 queued\r\n")
    yield state()


def test_room_idle_and_stage() -> None:
    assert list(walk(Dialogue(PIPELINING))) == [
        (True, True, "-"), (False, False, "mail"), (False, False, "rcpt"), (False, False, "data"),
        (True, False, "body"), (True, False, "dot"), (False, False, "dot"), (False, False, "mail"),
    ]  # fmt: skip
    assert list(walk(Dialogue(SERIAL))) == [
        (True, True, "-"), (False, False, "mail"), (False, False, "rcpt"), (False, False, "data"),
        (False, False, "body"), (False, False, "dot"), (True, True, "-"),
    ]  # fmt: skip


def test_repr_says_state_and_envelopes() -> None:
    assert repr(Dialogue(PIPELINING)) == "<Dialogue idle>"
    assert repr(act(SENT_A_THEN_B, PIPELINING)) == "<Dialogue dot of 'a' then 'b'>"


def test_misuse_is_named() -> None:
    dialogue = act(f"> offer a x@y\n{GROUP}", PIPELINING)
    with pytest.raises(RuntimeError, match="no room"):
        dialogue.offer(envelope(["b", "x@y"]))
    with pytest.raises(RuntimeError, match="no content is awaited"):
        dialogue.content(content_of("a"))
    with pytest.raises(RuntimeError, match="can't quit"):
        dialogue.quit()
    dialogue.eof("gone")
    assert not dialogue.room
    assert dialogue.ended
    with pytest.raises(RuntimeError, match="no room"):
        dialogue.offer(envelope(["b", "x@y"]))
    assert dialogue.content(content_of("a")) == []
    assert dialogue.outgoing() == []


@pytest.mark.parametrize(
    "bad",
    [
        Envelope("a", "s@b\r\nRCPT TO:<evil@b>", ("x@y",)),
        Envelope("a", "s@b", ("x@y", "x@y> NOTIFY=NEVER")),
        Envelope("a", "s@b", ("x@y\0",)),
        Envelope("a", "s@b", ("x y@z",)),
        Envelope("a", "s@b", ("x" * 300 + "@y",)),
        Envelope("a", "s@b", ("",)),
        Envelope("a", "s@b", ()),
        Envelope("a", "s@b", tuple(f"x{i}@y" for i in range(101))),
        Envelope("a", "s@b", ("x@y",), size=-1),
    ],
    ids=range(9),
)
def test_an_injected_envelope_is_refused_before_any_byte(bad: Envelope) -> None:
    dialogue = Dialogue(Capabilities(pipelining=True, size=0))
    with pytest.raises(WireError):
        dialogue.offer(bad)
    assert dialogue.outgoing() == []
    assert dialogue.idle
    dialogue.offer(envelope(["b", "x@y"]))
    assert b"".join(dialogue.outgoing()).startswith(b"MAIL FROM:<s@b>\r\n")


def test_nothing_goes_out_after_the_end() -> None:
    dialogue = Dialogue(PIPELINING)
    dialogue.offer(envelope(["a", "x@y"]))
    assert [shown(h) for h in dialogue.eof("gone")] == ["done a: deferred mail own", "ended - gone"]
    assert dialogue.outgoing() == []


def test_an_injected_envelope_does_not_disturb_the_one_under_way() -> None:
    dialogue = act(SENT_A, PIPELINING)
    with pytest.raises(WireError):
        dialogue.offer(Envelope("b", "s@b", ("x@y\r\n",)))
    assert dialogue.outgoing() == []
    assert dialogue.room
    assert [shown(h) for h in dialogue.receive(b"250 queued\r\n")] == ["done a: delivered"]


def test_bad_content_leaves_nothing_on_the_wire_and_abort_as_the_way_out() -> None:
    dialogue = act(SENT_A.partition("> content")[0], PIPELINING)
    with pytest.raises(WireError):
        dialogue.content([b"a\r\n.\n"])
    assert dialogue.outgoing() == []
    news = [shown(h) for h in dialogue.abort("bad content")]
    assert news == ["done a: deferred body own", "ended - bad content"]
    assert dialogue.outgoing() == []


@pytest.mark.parametrize("early", [b"2", b"250 queu", b"250-queued\r\n", b"\r"])
def test_an_answer_that_begins_before_the_content_is_no_answer(early: bytes) -> None:
    dialogue = act(SENT_A.partition("> content")[0], PIPELINING)
    assert dialogue.receive(early) == []
    news = [shown(h) for h in dialogue.content(content_of("a"))]
    assert news == ["done a: deferred body own", "ended - the server spoke before the content"]
    assert dialogue.outgoing() == []


@pytest.mark.parametrize(
    "more, verdict", [(b"250 queued\r\n", "own"), (b"421 bye\r\n", "421"), (b"rubbish\r\n", "own")]
)
def test_what_follows_354_at_once_ends_the_session_without_asking_for_content(
    more: bytes, verdict: str
) -> None:
    dialogue = act(f"> offer a x@y\n{GROUP}", PIPELINING)
    news = [shown(h) for h in dialogue.receive(b"250 ok\r\n250 ok\r\n354 go\r\n" + more)]
    assert news[:-1] == [f"done a: deferred body {verdict}"]
    assert news[-1].startswith("ended")
