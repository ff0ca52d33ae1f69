"""A session that waited: if the server has gone meanwhile, that is no matter of the next message (RFC 5321 3.8)."""

import pytest

from mta.smtp.capabilities import Capabilities
from mta.smtp.dialogue import Dialogue, Done, Ended, Envelope, NeedContent, Unsent
from mta.verdict import Deferred, Delivered

OFFERED = {"pipelining": Capabilities(pipelining=True), "serial": Capabilities()}
A, B = (Envelope(name, "s@b", ("x@y",)) for name in "ab")


def sent_one(caps: Capabilities) -> Dialogue:
    """Return a dialogue that has delivered A and said so."""
    dialogue = Dialogue(caps)
    dialogue.offer(A)
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        dialogue.outgoing()
        news = dialogue.receive(reply)
    assert [type(one) for one in news] == [NeedContent]
    dialogue.content([b"a\r\n"])
    dialogue.outgoing()
    (done,) = dialogue.receive(b"250 queued\r\n")
    assert isinstance(done, Done)
    assert isinstance(done.verdicts[0], Delivered)
    return dialogue


def again(caps: Capabilities, rested: bool) -> Dialogue:
    """Return a dialogue with B's MAIL on the wire."""
    dialogue = sent_one(caps)
    if rested:
        dialogue.rest()
    assert dialogue.offer(B) == []
    assert b"".join(dialogue.outgoing()).startswith(b"MAIL FROM:<s@b>\r\n")
    return dialogue


@pytest.fixture(params=OFFERED)
def caps(request: pytest.FixtureRequest) -> Capabilities:
    return OFFERED[request.param]


@pytest.mark.parametrize("goodbye", [b"421 4.4.2 idle too long\r\n", b""])
def test_gone_before_mail_is_answered_costs_no_attempt(caps: Capabilities, goodbye: bytes) -> None:
    dialogue = again(caps, rested=True)
    news = dialogue.receive(goodbye) if goodbye else dialogue.eof("connection reset")
    assert news[0] == Unsent(B)
    assert isinstance(news[1], Ended)
    assert not news[1].misbehaved


def test_said_octet_by_octet_it_is_the_same(caps: Capabilities) -> None:
    dialogue = again(caps, rested=True)
    news = [one for octet in b"421 bye\r\n" for one in dialogue.receive(bytes([octet]))]
    assert news[0] == Unsent(B)


def test_in_the_midst_of_work_it_is_an_answer_as_ever(caps: Capabilities) -> None:
    done = again(caps, rested=False).receive(b"421 4.7.0 slow down\r\n")[0]
    assert isinstance(done, Done)
    assert isinstance(done.verdicts[0], Deferred)


@pytest.mark.parametrize("answer", [b"250 ok\r\n421 bye\r\n", b"450 no\r\n", b"550 no\r\n"])
def test_once_mail_was_answered_all_is_as_ever(caps: Capabilities, answer: bytes) -> None:
    dialogue = again(caps, rested=True)
    news = dialogue.receive(answer)
    if caps.pipelining is False and answer.startswith(b"250"):
        return  # one reply too many where nothing was asked: a fault of its own, tested elsewhere
    assert isinstance(news[0], Done)


def test_a_server_that_breaks_the_protocol_is_not_forgiven_for_having_waited(caps: Capabilities) -> None:
    news = again(caps, rested=True).receive(b"354 what\r\n")
    assert isinstance(news[0], Done)
    assert isinstance(news[0].verdicts[0], Deferred)
    assert isinstance(news[1], Ended)
    assert news[1].misbehaved


def test_a_rest_counts_for_one_message(caps: Capabilities) -> None:
    dialogue = sent_one(caps)
    dialogue.rest()
    dialogue.offer(A)
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        dialogue.outgoing()
        dialogue.receive(reply)
    dialogue.content([b"a\r\n"])
    dialogue.outgoing()
    dialogue.receive(b"250 queued\r\n")
    dialogue.offer(B)
    dialogue.outgoing()
    done = dialogue.receive(b"421 bye\r\n")[0]
    assert isinstance(done, Done)
