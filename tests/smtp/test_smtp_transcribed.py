"""A transcribed dialogue says and does what the plain one does, and never tells an octet of content."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.smtp import capabilities
from mta.smtp.dialogue import Dialogue, Envelope, NeedContent
from mta.smtp.transcribed import Side, Transcribed

SECRET = b"the secret word\r\n"
REPLIES = st.sampled_from([
    b"250 ok\r\n", b"354 go\r\n", b"450 later\r\n", b"550 no\r\n", b"421 bye\r\n",
    b"250-a\r\n250 b\r\n", b"2", b"50 ok\r\n",
    b"junk\r\n", b"",
])  # fmt: skip


def both(every: bool, offers: str) -> tuple[Dialogue, Transcribed, list[tuple[Side, bytes]]]:
    caps = capabilities.parse(("mx", *offers.split()))
    told: list[tuple[Side, bytes]] = []
    wants = lambda envelope: envelope.key == 1  # noqa: E731
    return Dialogue(caps), Transcribed(caps, wants, lambda *line: told.append(line), every=every), told


@settings(max_examples=150, deadline=None)
@given(
    every=st.booleans(), offers=st.sampled_from(["", "PIPELINING"]), replies=st.lists(REPLIES, max_size=14),
    part=st.integers(1, 3),
)  # fmt: skip
def test_transcribed_is_the_plain_dialogue(every: bool, offers: str, replies: list[bytes], part: int) -> None:
    plain, told_of, told = both(every, offers)
    keys = iter(range(9))
    for reply in replies:
        for one in (plain, told_of):
            assert one.room is plain.room
        if plain.room:
            envelope = Envelope(next(keys), "me@a.example", ("you@b.example",))
            assert plain.offer(envelope) == told_of.offer(envelope)
        assert plain.outgoing() == told_of.outgoing()
        news = plain.receive(reply)
        assert news == told_of.receive(reply)
        if any(type(one) is NeedContent for one in news):
            parts = [SECRET] * part
            assert plain.content(parts) == told_of.content(parts)
        assert plain.outgoing() == told_of.outgoing()
    assert plain.eof("over") == told_of.eof("over")
    assert repr(plain) == repr(told_of).replace("Transcribed", "Dialogue")
    assert not [data for _, data in told if b"secret" in data]


def test_transcribed_tells_the_size_of_content() -> None:
    _, one, told = both(True, "PIPELINING")
    one.offer(Envelope(1, "me@a.example", ("you@b.example",)))
    one.outgoing()
    one.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    one.content([SECRET, SECRET], clean=True)
    one.outgoing()
    assert told[-2:] == [("=", b"content, %d octets" % (2 * len(SECRET))), (">", b".\r\n")]
    one.eof("lost")
    one.eof("again")
    assert told[-1] == ("=", b"ended: lost")


@pytest.mark.parametrize("every", [True, False])
def test_transcribed_tells_nothing_of_what_nobody_wants(every: bool) -> None:
    _, one, told = both(every, "PIPELINING")
    one.offer(Envelope(7, "me@a.example", ("you@b.example",)))
    one.outgoing()
    one.receive(b"550 no\r\n550 no\r\n503 no\r\n")
    assert bool(told) is every
