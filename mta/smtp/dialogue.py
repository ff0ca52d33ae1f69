"""The SMTP client's side of a session after greeting and EHLO, as a state machine without a socket.

Bytes go in by `receive`, happenings come out; envelopes go in by `offer`, bytes come out by `outgoing`. The
rules are the table in mta.smtp.transitions, what they lead to is in mta.smtp.turns.

With PIPELINING (RFC 2920) MAIL, RCPT and DATA of an envelope travel in one group, and the next envelope's
group directly behind the content of the one before. A group never waits for anything but its own replies and
at most two are on their way, so a driver that reads while it writes can't be dead-locked. Without PIPELINING
each command waits for the reply to the one before.

DATA is the rule and BDAT (RFC 3030) a choice, for two reasons. BDAT must name the size first, so the content
would have to be made before anyone was accepted; here it is made when the recipients have been answered, which
takes as many round trips as DATA does in a pipelined group and one less without PIPELINING, and a refused
recipient costs no rendering or signature. And 354 is a reply that nothing else can be mistaken for: a server
that says one line too many is found out there, before content goes out, where with BDAT one 250 looks like
another. `eager` is for content that is at hand anyway: all of it in one write, one round trip.

Whatever the server does, each envelope offered gets exactly one Done or Unsent, and after Ended there is
nothing more: what is unclear is Deferred, and `unsure` once the whole content was handed out (RFC 1047).
"""

from collections.abc import Sequence
from typing import Final

from mta.reply import Reply
from mta.smtp import wire
from mta.smtp.capabilities import Capabilities
from mta.smtp.happening import Done, Ended, Envelope, Happening, NeedContent, Unsent
from mta.smtp.replies import ProtocolError
from mta.smtp.transaction import NO_UTF8, Transaction, unsendable
from mta.smtp.transitions import Step
from mta.smtp.turns import TURNS, Turns
from mta.verdict import Stage, judge, unanswered

__all__ = ["Dialogue", "Done", "Ended", "Envelope", "Happening", "NeedContent", "Unsent"]

SERVICE_CLOSING: Final = 421
EARLY: Final = "the server answered before it was asked"


class Dialogue(Turns):
    """The transactions of one session with a server that offers `caps`.

    `pipeline` and `chunking` allow what is offered; `verified` says that TLS is on and the certificate was
    checked, which REQUIRETLS asks for. `offer`, `receive`, `content`, `decline`, `abort` and `eof` return what
    happened, in order. They belong to one session and are not to be called by two tasks at once. What
    `outgoing` returns is to be written before `receive` is called again: a reply to a command that was not
    handed out yet is no reply to it. `heard` counts replies; `misbehaved` and `why` say, once ended, whether the
    server broke the protocol and what ended the session.
    """

    def __init__(
        self, caps: Capabilities, *, pipeline: bool = True, chunking: bool = False, verified: bool = False
    ) -> None:
        super().__init__(caps, pipeline, chunking)
        self._verified = verified

    def __repr__(self) -> str:
        words = [self._step.name.lower()]
        if self._current is not None:
            words.append(f"of {self._current.envelope.key!r}")
        if self._ahead is not None:
            words.append(f"then {self._ahead.envelope.key!r}")
        return f"<Dialogue {' '.join(words)}>"

    @property
    def idle(self) -> bool:
        """True when nothing is under way and every reply has come."""
        return self._step is Step.IDLE

    @property
    def ended(self) -> bool:
        """True once Ended has been returned."""
        return self._step is Step.ENDED

    @property
    def room(self) -> bool:
        """True when `offer` may be called: idle, or (pipelining) 354 has come and nobody rides behind it yet.

        Not earlier and not without pipelining: an envelope that can't be sent yet only ages here.
        """
        step = self._step
        if step is Step.IDLE:
            return True
        if not self._pipeline or self._ahead is not None:
            return False
        # Behind content that goes to nobody and will be refused, the next would only be taken for nested.
        return step is Step.DOT or step is Step.BODY or (step is Step.CHUNK and not self._under_way.told)

    @property
    def eager(self) -> bool:
        """True when `offer` takes the content as well: idle, BDAT and pipelining.

        Not behind another envelope: a server that keeps a transaction whose BDAT it refused would add this
        one's recipients to it, and take this content for them all.
        """
        return self._chunking and self._pipeline and self._step is Step.IDLE

    def offer(
        self, envelope: Envelope, parts: Sequence[bytes] | None = None, *, clean: bool = False
    ) -> list[Happening]:
        """Send an envelope, or let it ride behind the content under way.

        Returns Done at once, and sends nothing, where the server's capabilities rule the envelope out. With
        `parts` (see `content`), allowed when `eager`, the content goes out at once and is not asked for. Raises
        WireError, and changes nothing, if an address, number or content must not reach the wire; RuntimeError
        when there is no `room`, or for `parts` when not `eager`.
        """
        if not self.room:
            raise RuntimeError(f"no room in {self!r}")
        if parts is not None and not self.eager:
            raise RuntimeError(f"content is not awaited yet by {self!r}")
        transaction = Transaction(envelope, self._caps, self._chunking)
        refusal = unsendable(envelope, self._caps, self._verified)
        if refusal is not None:
            return [transaction.done(judge(Stage.MAIL, refusal))]
        if not transaction.undecided:
            return [transaction.done(NO_UTF8)]
        if self._step is Step.IDLE:
            pieces = None if parts is None else self._pieces(parts, clean)
            if self._reader.partial:
                self._current, self._step = transaction, Step.RSET  # nothing of it is out: Unsent
                self._fault(EARLY)
                return self._told()
            self._start(transaction)
            if pieces is not None:
                transaction.sent = True
                self._outgoing += pieces
        else:
            transaction.rode = True
            self._ahead = transaction
            if self._step is not Step.BODY:
                self._send_group(transaction)
        return []

    def receive(self, data: bytes) -> list[Happening]:
        """Take bytes from the server. After Ended returns an empty list."""
        if self._step is Step.ENDED:
            return []
        fault = ""
        try:
            replies: Sequence[Reply] = self._reader.feed(data)
        except ProtocolError as error:
            replies, fault = error.before, error.why
        self.heard += len(replies)
        for reply in replies:
            code = reply.code
            if code == SERVICE_CLOSING:
                self._closing(reply)
            elif self._outgoing:
                self._fault(EARLY, reply)
            else:
                TURNS[self._step][code // 100 - 2](self, reply)
        if self._outgoing and not fault and self._reader.partial:
            fault = EARLY
        if fault:
            self._fault(fault)
        news, self._news = self._news, []
        return news

    def eof(self, why: str, unwritten: int = 0) -> list[Happening]:
        """The connection is over, or given up by us (a deadline): `why` goes into verdicts. After Ended: [] .

        `unwritten` octets of what `outgoing` returned never left, by whoever wrote them: content that is not out
        whole leaves nothing unsure.
        """
        self._end(None, why, unwritten=unwritten)
        return self._told()

    def content(self, parts: Sequence[bytes], *, clean: bool = False) -> list[Happening]:
        """Answer NeedContent with the whole message: CRLF lines, dots not yet doubled, split anywhere.

        `clean` vouches that all lines end in CRLF, none begins with a dot and there is no NUL, as encoded
        content is made; it saves a tenth of what a message costs. Without it all of that is checked and mended.
        Raises WireError, having sent nothing, for content that must not reach the wire: `decline` or `abort` are
        then the ways on. RuntimeError if no content is awaited. After Ended returns an empty list.
        """
        if self._step is not Step.BODY:
            if self._step is Step.ENDED:
                return []
            raise RuntimeError(f"no content is awaited by {self!r}")
        pieces = self._pieces(parts, clean)
        if self._reader.partial:
            # It would be read as the beginning of the answer to content that it can't have seen.
            self._fault("the server spoke before the content")
            return self._told()
        self._outgoing += pieces
        self._step = Step.CHUNK if self._chunking else Step.DOT
        if self._ahead is not None:
            self._send_group(self._ahead)
        return []

    def decline(self, why: str) -> list[Happening]:
        """Answer NeedContent with nothing: there is no message after all. The envelope is Deferred, not unsure.

        With BDAT nothing was promised and the session goes on; after 354 this is `abort`.
        """
        if self._step is not Step.BODY or not self._chunking:
            return self.eof(why)
        self._news.append(self._under_way.done(unanswered(Stage.BODY, why)))
        following = self._ahead
        self._ahead = None
        self._over()
        if following is not None:
            following.rode = False
            self._start(following)
        return self._told()

    def abort(self, why: str) -> list[Happening]:
        """Give up: after 354 there is no other way back (RFC 5321 3.3). The connection has to be closed.

        The envelope under way is Deferred, not unsure unless its dot is out. After Ended: an empty list.
        """
        return self.eof(why)

    def quit(self) -> None:
        """Say goodbye; Ended comes with the reply or the end of the connection and changes no verdict.

        Raises RuntimeError unless idle; does nothing after Ended.
        """
        if self._step is Step.ENDED:
            return
        if self._step is not Step.IDLE:
            raise RuntimeError(f"can't quit {self!r}")
        self._outgoing.append(wire.QUIT)
        self._step = Step.QUIT

    def rest(self) -> None:
        """The session has waited for work since its last transaction: the server may have given it up meanwhile.

        Should it turn out so before the next envelope's MAIL is answered, that envelope is Unsent and not Deferred.
        """
        self._rested = True

    def outgoing(self) -> list[bytes]:
        """Return the pieces to write now, in order (`transport.writelines`), and forget them."""
        pieces, self._outgoing = self._outgoing, []
        return pieces

    def _pieces(self, parts: Sequence[bytes], clean: bool) -> list[bytes]:
        """Return content as it is written, with the command in front of it or the dot behind."""
        if self._chunking:
            pieces = [b"".join(parts)] if clean else wire.checked(parts)
            return [wire.bdat(sum(map(len, pieces))), *pieces]
        pieces = [b"".join(parts)] if clean else wire.stuff(parts)
        pieces.append(wire.DOT)
        return pieces

    def _told(self) -> list[Happening]:
        news, self._news = self._news, []
        return news
