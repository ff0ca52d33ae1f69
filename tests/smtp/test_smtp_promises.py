"""The dialogue's promises against a server that keeps to SMTP but is moody, and against one that does not.

Every envelope gets exactly one Done or Unsent; Delivered and the server's acceptance are the same set; what the
server may have taken and we do not know of is `unsure` and nothing else is.
"""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.smtp.capabilities import Capabilities
from mta.smtp.dialogue import Dialogue, Done, Ended, Envelope, Happening, NeedContent, Unsent
from mta.verdict import Deferred, Delivered

OK, LATER, NEVER, CLOSING, SILENT, RUBBISH = range(6)
REPLIES = {
    OK: b"250 ok\r\n",
    LATER: b"451-4.7.1 later\r\n451 4.7.1 please\r\n",
    NEVER: b"550 5.7.1 no\r\n",
    CLOSING: b"421 bye\r\n",
    RUBBISH: b"\xffwhat\r\n",
}


class Server:
    """A strict SMTP server after EHLO whose next moods are given; it fails the test on any client error."""

    def __init__(self, moods: list[int], pipelining: bool, chunking: bool = False) -> None:
        self.moods = iter(moods)
        self.pipelining = pipelining
        self.chunking = chunking
        self.kept = False  # a refused BDAT has left its transaction open, as some servers do
        self.rest = b""
        self.in_data = False
        self.mail = False
        self.rcpts: list[str] = []
        self.closed = False
        self.taken: list[
            tuple[bytes, tuple[str, ...]]
        ] = []  # content and recipients of what was answered 2yz
        self.unheard: list[tuple[bytes, tuple[str, ...]]] = []  # taken or not: our answer never left

    def feed(self, data: bytes) -> bytes:
        """Return the answers to `data`; after the last of them the connection may be `closed`."""
        self.rest += data
        out = b""
        while not self.closed:
            end = b"\r\n"
            if self.in_data:
                end = b".\r\n" if self.rest.startswith(b".\r\n") else b"\r\n.\r\n"
            at = self.rest.find(end)
            if at < 0:
                break
            line, after = self.rest[:at], self.rest[at + len(end) :]
            if line.startswith(b"BDAT ") and not self.in_data:
                octets = int(line.split()[1])
                if len(after) < octets:
                    break
                self.rest = after[octets:]
                out += self.chunk(after[:octets])
                continue
            self.rest = after
            if not self.pipelining:
                assert not self.rest, "two commands at once, and PIPELINING was not offered"
            out += self.content(line) if self.in_data else self.command(line.decode())
        return out

    def say(self, mood: int) -> bytes:
        if mood in (CLOSING, SILENT, RUBBISH):
            self.closed = True
        return REPLIES.get(mood, b"")

    def command(self, line: str) -> bytes:
        assert not set(line) & set("\r\n\0")
        mood = next(self.moods, OK)
        if line == "RSET":
            self.mail, self.rcpts, self.kept = False, [], False
            return self.say(OK if mood in (LATER, NEVER) else mood)
        if line == "QUIT":
            self.closed = True
            return b"221 bye\r\n"
        if line.startswith("MAIL FROM:<"):
            if self.kept:
                return b"503 nested MAIL\r\n"
            assert not self.mail, "nested MAIL"
            self.mail = mood == OK
            return self.say(mood)
        if line.startswith("RCPT TO:<"):
            if not self.mail:
                return b"503 MAIL first\r\n"
            if mood == OK:
                self.rcpts.append(line[9:-1])
            return self.say(mood)
        assert line == "DATA", line
        assert not self.chunking, "DATA and BDAT are not mixed"
        if not self.mail or (not self.rcpts and mood != OK):
            return b"503 RCPT first\r\n"
        if mood != OK:
            return self.say(mood)
        self.in_data = True
        return b"354 go\r\n"

    def chunk(self, body: bytes) -> bytes:
        mood = next(self.moods, OK)
        assert self.chunking
        assert b"\r" not in body.replace(b"\r\n", b"")
        if not self.rcpts:
            return b"503 RCPT first\r\n"
        got = (body, tuple(self.rcpts))
        if mood in (LATER, NEVER):
            self.kept = self.mail  # and its recipients
            return self.say(mood)
        self.mail, self.rcpts = False, []
        if mood == OK:
            self.taken.append(got)
        elif mood in (SILENT, RUBBISH):
            self.unheard.append(got)
        return self.say(mood)

    def content(self, body: bytes) -> bytes:
        mood = next(self.moods, OK)
        body += b"\r\n"
        assert b"\r" not in body.replace(b"\r\n", b"")
        lines = [line.removeprefix(b".") for line in body.split(b"\r\n")]
        got = (b"\r\n".join(lines), tuple(self.rcpts))
        had = bool(self.rcpts)
        self.in_data, self.mail, self.rcpts = False, False, []
        if not had:
            return b"554 no valid recipients\r\n"
        if mood == OK:
            self.taken.append(got)
        elif mood in (SILENT, RUBBISH):
            self.unheard.append(got)
        return self.say(mood)


def cut(data: bytes, places: Iterator[int]) -> Iterator[bytes]:
    while data:
        n = 1 + next(places, 10_000) % 40
        yield data[:n]
        data = data[n:]


def drive(
    envelopes: list[Envelope], contents: dict[object, list[bytes]], server: Server, places: list[int]
) -> list[Happening]:
    """Play the driver's part until the session has ended."""
    caps = Capabilities(pipelining=server.pipelining, chunking=server.chunking)
    dialogue, waiting, news = Dialogue(caps, chunking=server.chunking), list(envelopes), []
    cuts = iter(places)

    def heard(happenings: list[Happening]) -> None:
        for happening in happenings:
            news.append(happening)
            if isinstance(happening, NeedContent):
                heard(dialogue.content(contents[happening.envelope.key]))

    while not dialogue.ended:
        while waiting and dialogue.room:
            envelope = waiting.pop(0)
            # What is a multiple of three goes out in one write where it may.
            eager = contents[envelope.key] if dialogue.eager and envelope.key % 3 == 0 else None
            heard(dialogue.offer(envelope, eager))
        if dialogue.idle and not waiting:
            dialogue.quit()
        out = b"".join(dialogue.outgoing())
        answers = server.feed(out)
        assert answers or server.closed, f"dead-lock: {dialogue!r}"
        for piece in cut(answers, cuts):
            heard(dialogue.receive(piece))
        if server.closed:
            heard(dialogue.eof("gone"))
    assert dialogue.outgoing() == []
    assert dialogue.receive(b"250 too late\r\n") == dialogue.eof("again") == []
    offered = envelopes[: len(envelopes) - len(waiting)]
    assert [happening.envelope for happening in news if isinstance(happening, Done | Unsent)] == offered
    return news


BODIES = [[b"Subject: %d\r\n\r\n", b".\r\n..\r\n.x\r\n"], [b"%d\r\n"], [b".%d", b"\r\n.", b"\r", b"\n"]]

batches = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(range(len(BODIES)))), min_size=1, max_size=5)
moods = st.lists(st.sampled_from([OK] * 12 + [LATER, NEVER] * 2 + [CLOSING, SILENT, RUBBISH]), max_size=40)


def made(batch: list[tuple[int, int]]) -> tuple[list[Envelope], dict[object, list[bytes]]]:
    envelopes, contents = [], {}
    for key, (recipients, body) in enumerate(batch):
        envelopes.append(Envelope(key, "s@b", tuple(f"r{i}@e{key}" for i in range(recipients))))
        contents[key] = [part % key if b"%d" in part else part for part in BODIES[body]]
    return envelopes, contents


@given(batches, moods, st.booleans(), st.booleans(), st.lists(st.integers(0, 99), max_size=60))
@settings(max_examples=200, deadline=None)
def test_the_verdicts_are_what_the_server_did(
    batch: list[tuple[int, int]], moods: list[int], pipelining: bool, chunking: bool, places: list[int]
) -> None:
    envelopes, contents = made(batch)
    server = Server(moods, pipelining, chunking)
    news = drive(envelopes, contents, server, places)

    assert isinstance(news[-1], Ended)
    assert sum(isinstance(happening, Ended) for happening in news) == 1
    ends = [happening for happening in news if isinstance(happening, Done | Unsent)]
    asked = {happening.envelope.key for happening in news if isinstance(happening, NeedContent)}

    delivered, unsure = set(), set()
    for happening in ends:
        if isinstance(happening, Unsent):
            assert happening.envelope.key not in asked
            continue
        assert len(happening.verdicts) == len(happening.envelope.recipients)
        for recipient, verdict in zip(happening.envelope.recipients, happening.verdicts, strict=True):
            what = (b"".join(contents[happening.envelope.key]), recipient)
            if isinstance(verdict, Delivered):
                delivered.add(what)
            elif isinstance(verdict, Deferred) and verdict.unsure:
                unsure.add(what)
    assert delivered == {(body, rcpt) for body, rcpts in server.taken for rcpt in rcpts}
    unheard = {(body, rcpt) for body, rcpts in server.unheard for rcpt in rcpts}
    assert unsure >= unheard
    # Only of what went out in one write can it be unknown how far the server got.
    one_write = {b"".join(contents[key]) for key in contents if chunking and pipelining and key % 3 == 0}
    assert {body for body, _ in unsure - unheard} <= one_write


@given(batches, moods, st.booleans(), st.booleans(), st.lists(st.integers(0, 99), max_size=60))
@settings(max_examples=100, deadline=None)
def test_splits_change_no_happening(
    batch: list[tuple[int, int]], moods: list[int], pipelining: bool, chunking: bool, places: list[int]
) -> None:
    envelopes, contents = made(batch)
    runs = [
        drive(envelopes, contents, Server(moods, pipelining, chunking), cuts)
        for cuts in (places, [0] * 5000, [39] * 5000)
    ]
    assert runs[0] == runs[1] == runs[2]


REPLY_LIKE = st.sampled_from(
    [b"250 ok\r\n", b"354 go\r\n", b"550 no\r\n", b"451 no\r\n", b"250-", b"421 bye\r\n", b"\r\n", b"2", b"5"]
)
ACTS = st.sampled_from(["offer", "content", "bad content", "quit", "outgoing", "eof", "abort"])


@given(
    st.booleans(),
    st.lists(st.one_of(REPLY_LIKE, REPLY_LIKE, ACTS, ACTS, st.binary(min_size=1, max_size=20)), max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_whatever_comes_each_envelope_ends_once(pipelining: bool, script: list[bytes | str]) -> None:
    dialogue = Dialogue(Capabilities(pipelining=pipelining))
    news: list[Happening] = []
    offered = 0
    for act in [*script, "eof"]:
        if isinstance(act, bytes):
            news += dialogue.receive(act)
        elif act == "offer" and dialogue.room:
            news += dialogue.offer(Envelope(offered, "s@b", ("x@y", "z@y")))
            offered += 1
        elif act == "content" and (dialogue.stage == "body" or dialogue.ended):
            news += dialogue.content([b"a\r\n"])
        elif act == "quit" and (dialogue.idle or dialogue.ended):
            dialogue.quit()
        elif act == "outgoing":
            dialogue.outgoing()
        elif act in ("eof", "abort"):
            news += getattr(dialogue, act)("gone")
        assert "Dialogue" in repr(dialogue)
    assert dialogue.ended
    assert [happening for happening in news if isinstance(happening, Ended)] == news[-1:]
    ends = [happening.envelope.key for happening in news if isinstance(happening, Done | Unsent)]
    assert ends == list(range(offered))
