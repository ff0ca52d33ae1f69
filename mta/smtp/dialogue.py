"""The SMTP client's side of a session after greeting and EHLO, as a state machine without a socket.

Bytes go in by `receive`, happenings come out; envelopes go in by `offer`, bytes come out by `outgoing`. The
rules are the table in mta.smtp.transitions; this file is what they lead to.

With PIPELINING (RFC 2920) MAIL, RCPT and DATA of an envelope travel in one group, and the next envelope's
group directly behind the content of the one before. A group never waits for anything but its own replies and
at most two are on their way, so a driver that reads while it writes can't be dead-locked. Without PIPELINING
each command waits for the reply to the one before.

Whatever the server does, each envelope offered gets exactly one Done or Unsent, and after Ended there is
nothing more: what is unclear is Deferred, and `unsure` once the final dot was handed out (RFC 1047).
"""

from collections.abc import Callable, Sequence
from typing import Final

from mta.reply import Reply
from mta.smtp import wire
from mta.smtp.capabilities import Capabilities
from mta.smtp.happening import Done, Ended, Envelope, Happening, NeedContent, Unsent
from mta.smtp.replies import ProtocolError, ReplyReader
from mta.smtp.transaction import NO_UTF8, Transaction, unsendable
from mta.smtp.transitions import STAGE, TABLE, Step
from mta.verdict import Stage, Verdict, judge, unanswered

__all__ = ["Dialogue", "Done", "Ended", "Envelope", "Happening", "NeedContent", "Unsent"]

SERVICE_CLOSING: Final = 421
_SHOWN = 200  # characters of an unexpected reply that its verdict quotes


class Dialogue:
    """The transactions of one session with a server that offers `caps`.

    `offer`, `receive`, `content`, `abort` and `eof` return what happened, in order. They belong to one
    session and are not to be called by two tasks at once.
    """

    def __init__(self, caps: Capabilities, *, pipeline: bool = True) -> None:
        self._caps = caps
        self._pipeline = pipeline and caps.pipelining
        self._reader = ReplyReader()
        self._step = Step.IDLE
        self._current: Transaction | None = None
        self._ahead: Transaction | None = None
        self._holds_state = False  # the server took a MAIL and has not been led out of that transaction
        self._outgoing: list[bytes] = []
        self._news: list[Happening] = []

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
        if self._step is Step.IDLE:
            return True
        return self._pipeline and self._ahead is None and (self._step is Step.DOT or self._step is Step.BODY)

    @property
    def stage(self) -> Stage | None:
        """What the server is to answer now, or BODY when `content` is awaited; None when idle, quitting or ended."""
        return STAGE.get(self._step)

    def offer(self, envelope: Envelope) -> list[Happening]:
        """Send an envelope, or let it ride behind the content under way.

        Returns Done at once, and sends nothing, where the server's capabilities rule the envelope out. Raises
        WireError, and changes nothing, if an address or number must not reach the wire; RuntimeError when
        there is no `room`.
        """
        if not self.room:
            raise RuntimeError(f"no room in {self!r}")
        transaction = Transaction(envelope, self._caps)
        refusal = unsendable(envelope, self._caps)
        if refusal is not None:
            return [transaction.done(judge(Stage.MAIL, refusal))]
        if not transaction.undecided:
            return [transaction.done(NO_UTF8)]
        if self._step is Step.IDLE:
            self._start(transaction)
        else:
            transaction.rode = True
            self._ahead = transaction
            if self._step is Step.DOT:
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
        for reply in replies:
            if reply.code == SERVICE_CLOSING:
                self._closing(reply)
            else:
                _TURNS[self._step][reply.code // 100 - 2](self, reply)
        if fault:
            self._end(None, fault)
        return self._told()

    def eof(self, why: str) -> list[Happening]:
        """The connection is over, or given up by us (a deadline): `why` goes into verdicts. After Ended: [] ."""
        self._end(None, why)
        return self._told()

    def content(self, parts: Sequence[bytes], *, clean: bool = False) -> list[Happening]:
        """Answer NeedContent with the whole message: CRLF lines, dots not yet doubled, split anywhere.

        `clean` vouches that all lines end in CRLF, none begins with a dot and there is no NUL, as encoded
        content is made; it saves a tenth of what a message costs. Without it all of that is checked and mended.
        Raises WireError, having sent nothing, for content that must not reach the wire: `abort` is then the
        only way on. RuntimeError if no content is awaited. After Ended returns an empty list.
        """
        if self._step is not Step.BODY:
            if self._step is Step.ENDED:
                return []
            raise RuntimeError(f"no content is awaited by {self!r}")
        pieces = [b"".join(parts)] if clean else wire.stuff(parts)
        if self._reader.partial:
            # It would be read as the beginning of the answer to content that it can't have seen.
            self._end(None, "the server spoke before the content")
            return self._told()
        self._outgoing += pieces
        self._outgoing.append(wire.DOT)
        self._step = Step.DOT
        if self._ahead is not None:
            self._send_group(self._ahead)
        return []

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

    def outgoing(self) -> list[bytes]:
        """Return the pieces to write now, in order (`transport.writelines`), and forget them."""
        pieces, self._outgoing = self._outgoing, []
        return pieces

    # sending

    def _start(self, transaction: Transaction) -> None:
        self._current = transaction
        self._step = Step.MAIL
        if self._holds_state:
            self._outgoing.append(wire.RSET)
            self._step = Step.RSET
        if self._pipeline:
            self._send_group(transaction)
        elif self._step is Step.MAIL:
            self._outgoing.append(transaction.commands[0])

    def _send_group(self, transaction: Transaction) -> None:
        self._outgoing.append(b"".join(transaction.commands))

    def _await(self, step: Step, command: int) -> None:
        """Await the next answer; without pipelining its command goes out only now."""
        self._step = step
        if not self._pipeline:
            self._outgoing.append(self._under_way.commands[command])

    # what replies lead to: one method per Act

    def _state_cleared(self, reply: Reply) -> None:
        self._holds_state = False
        self._await(Step.MAIL, 0)

    def _mail_accepted(self, reply: Reply) -> None:
        self._holds_state = True
        self._await(Step.RCPT, 1)

    def _mail_refused(self, reply: Reply) -> None:
        self._news.append(self._under_way.done(judge(Stage.MAIL, reply)))
        if self._pipeline:
            self._step = Step.RCPT
        else:
            self._over()

    def _rcpt_accepted(self, reply: Reply) -> None:
        self._rcpt_answered(None)

    def _rcpt_refused(self, reply: Reply) -> None:
        self._rcpt_answered(judge(Stage.RCPT, reply))

    def _rcpt_answered(self, refusal: Verdict | None) -> None:
        transaction = self._under_way
        if not transaction.answer(refusal):
            self._await(Step.RCPT, 1 + transaction.turn)
            return
        if refusal is not None and not transaction.undecided and not transaction.told:
            self._news.append(transaction.done(refusal))
            if not self._pipeline:
                self._over()
                return
        self._await(Step.DATA, -1)

    def _go_ahead(self, reply: Reply) -> None:
        transaction = self._under_way
        if transaction.told:
            # Nobody is left to send to, but the server waits for content: an empty one goes to nobody.
            self._outgoing.append(wire.DOT)
            self._step = Step.LONE_DOT
        else:
            self._step = Step.BODY
            self._news.append(NeedContent(transaction.envelope))

    def _data_refused(self, reply: Reply) -> None:
        if not self._under_way.told:
            self._news.append(self._under_way.done(judge(Stage.DATA, reply)))
        self._over()

    def _content_answered(self, reply: Reply) -> None:
        self._holds_state = False
        self._news.append(self._under_way.done(judge(Stage.DOT, reply)))
        self._over()

    def _lone_dot_answered(self, reply: Reply) -> None:
        self._holds_state = False
        self._over()

    def _goodbye(self, reply: Reply) -> None:
        self._end(reply, "quit")

    def _out_of_context(self, reply: Reply) -> None:
        self._end(reply, f"unexpected reply {str(reply)[:_SHOWN]!r}")

    def _closing(self, reply: Reply) -> None:
        stage = self.stage
        verdict = None if stage is None else judge(stage, reply)
        self._end(reply, "the server closed the session", verdict)

    # the ends

    @property
    def _under_way(self) -> Transaction:
        assert self._current is not None
        return self._current

    def _over(self) -> None:
        """The transaction is through: who rode behind it is next."""
        self._current, self._ahead = self._ahead, None
        self._step = Step.IDLE if self._current is None else Step.MAIL

    def _end(self, reply: Reply | None, why: str, verdict: Verdict | None = None) -> None:
        """End the session; `verdict` for the undecided of the envelope under way if the server gave one."""
        if self._step is Step.ENDED:
            return
        # The content that was asked for by the same bytes is no longer wanted.
        news = [happening for happening in self._news if type(happening) is not NeedContent]
        current, stage = self._current, self.stage
        if current is not None and stage is not None and not current.told:
            if self._step is Step.RSET or (current.rode and self._step is Step.MAIL and verdict is None):
                # Nothing was said about it, and the session has done its share for another: no penalty.
                news.append(Unsent(current.envelope))
            else:
                news.append(current.done(verdict or unanswered(stage, why)))
        if self._ahead is not None:
            news.append(Unsent(self._ahead.envelope))
        news.append(Ended(reply, why))
        self._news = news
        self._current = self._ahead = None
        self._outgoing = []
        self._step = Step.ENDED

    def _told(self) -> list[Happening]:
        news, self._news = self._news, []
        return news


_TURNS: Final[tuple[tuple[Callable[[Dialogue, Reply], None], ...], ...]] = tuple(
    tuple(getattr(Dialogue, f"_{act.value}") for act in TABLE[step]) for step in Step
)
"""TABLE with each Act replaced by its method, so that a reply costs two look-ups."""
