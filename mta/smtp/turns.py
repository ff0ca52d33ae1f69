"""What each reply leads to: one method per Act of mta.smtp.transitions, and the ways a session ends.

The calls a driver makes are in mta.smtp.dialogue; this half of the machine is what the server moves.
"""

from collections.abc import Callable
from typing import Final

from mta.reply import Reply
from mta.smtp import wire
from mta.smtp.capabilities import Capabilities
from mta.smtp.happening import Ended, Happening, NeedContent, Unsent
from mta.smtp.replies import ReplyReader
from mta.smtp.transaction import Transaction
from mta.smtp.transitions import STAGE, TABLE, Step
from mta.verdict import Stage, Verdict, judge, unanswered

BAD_SEQUENCE: Final = 503
_SHOWN = 200  # characters of an unexpected reply that its verdict quotes


class Turns:
    """The state of a session and what moves it."""

    def __init__(self, caps: Capabilities, pipeline: bool, chunking: bool) -> None:
        self.heard = (
            0  # replies that have come; a deadline for an answer is no deadline if each octet renews it
        )
        self.misbehaved = False
        self.why = ""  # the session ended, in words
        self._caps = caps
        self._pipeline = pipeline and caps.pipelining
        self._chunking = chunking and caps.chunking
        self._reader = ReplyReader()
        self._step = Step.IDLE
        self._current: Transaction | None = None
        self._ahead: Transaction | None = None
        self._rested = False  # nothing was said since the session waited for work
        self._holds_state = False  # the server took a MAIL and has not been led out of that transaction
        self._outgoing: list[bytes] = []
        self._news: list[Happening] = []

    @property
    def stage(self) -> Stage | None:
        """What the server is to answer now, or BODY when `content` is awaited; None when idle, quitting or ended."""
        return STAGE.get(self._step)

    # sending

    def _start(self, transaction: Transaction) -> None:
        self._current = transaction
        self._step = Step.MAIL
        transaction.rested, self._rested = self._rested, False
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

    # what replies lead to

    def _state_cleared(self, reply: Reply) -> None:
        self._holds_state = False
        self._await(Step.MAIL, 0)

    def _mail_accepted(self, reply: Reply) -> None:
        self._holds_state = True
        self._await(Step.RCPT, 1)

    def _mail_refused(self, reply: Reply) -> None:
        transaction = self._under_way
        if reply.code == BAD_SEQUENCE and self._holds_state and transaction.rode:
            # The server has kept the transaction whose BDAT it refused (RFC 3030 does not say that it may not):
            # the refusal is for our order of commands and says nothing of this envelope.
            transaction.told = True
            self._news.append(Unsent(transaction.envelope))
        else:
            self._news.append(transaction.done(judge(Stage.MAIL, reply)))
        if self._pipeline:
            self._step = Step.RCPT
        else:
            self._over()

    def _rcpt_accepted(self, reply: Reply) -> None:
        transaction = self._under_way
        self._rcpt_answered(transaction, transaction.answer(None))

    def _rcpt_refused(self, reply: Reply) -> None:
        transaction, refusal = self._under_way, judge(Stage.RCPT, reply)
        last = transaction.answer(refusal)
        if last and not transaction.undecided and not transaction.told:
            self._news.append(transaction.done(refusal))
        self._rcpt_answered(transaction, last)

    def _rcpt_answered(self, transaction: Transaction, last: bool) -> None:
        if not last:
            self._await(Step.RCPT, 1 + transaction.turn)
        elif self._chunking:
            self._recipients_answered(transaction)
        elif transaction.told and not self._pipeline:
            self._over()
        else:
            self._await(Step.DATA, -1)

    def _recipients_answered(self, transaction: Transaction) -> None:
        """With BDAT the content follows at once, unless it is out already or nobody is left to send to."""
        if transaction.sent:
            self._step = Step.CHUNK
        elif transaction.told:
            self._over()
        else:
            self._need_content(transaction)

    def _go_ahead(self, reply: Reply) -> None:
        transaction = self._under_way
        if transaction.told:
            # Nobody is left to send to, but the server waits for content: an empty one goes to nobody.
            self._outgoing.append(wire.DOT)
            self._step = Step.LONE_DOT
        else:
            self._need_content(transaction)

    def _need_content(self, transaction: Transaction) -> None:
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

    def _chunk_accepted(self, reply: Reply) -> None:
        self._holds_state = False
        self._chunk_answered(reply)

    def _chunk_refused(self, reply: Reply) -> None:
        # What a refused BDAT leaves of the transaction is not the same everywhere: RSET comes before the next.
        self._holds_state = True
        self._chunk_answered(reply)

    def _chunk_answered(self, reply: Reply) -> None:
        transaction = self._under_way
        if not transaction.told:
            self._news.append(transaction.done(judge(Stage.DOT, reply)))
        self._over()

    def _goodbye(self, reply: Reply) -> None:
        self._end(reply, "quit")

    def _out_of_context(self, reply: Reply) -> None:
        self._fault(f"unexpected reply {str(reply)[:_SHOWN]!r}", reply)

    def _closing(self, reply: Reply) -> None:
        """421: the server goes, whatever it was asked (RFC 5321 3.8)."""
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

    def _fault(self, why: str, reply: Reply | None = None) -> None:
        """End a session that no longer keeps to the protocol: nothing can be paired from here on."""
        self.misbehaved = self._step is not Step.ENDED or self.misbehaved
        self._end(reply, why)

    def _end(self, reply: Reply | None, why: str, verdict: Verdict | None = None, unwritten: int = 0) -> None:
        """End the session; `verdict` for the undecided of the envelope under way if the server gave one."""
        if self._step is Step.ENDED:
            return
        unwritten += sum(map(len, self._outgoing))
        # The content that was asked for by the same bytes is no longer wanted.
        news = [happening for happening in self._news if type(happening) is not NeedContent]
        current, stage = self._current, self.stage
        if current is not None and stage is not None and not current.told:
            # Content whose last octet is still here can't have been taken, but who rides behind it does not count.
            whole = unwritten <= (sum(map(len, self._ahead.commands)) if self._ahead is not None else 0)
            if stage is Stage.DOT and not whole:
                stage = Stage.BODY
            if current.sent and whole and verdict is None:
                # Commands and content went out together, so all of it may have been taken, whatever was answered.
                news.append(current.done(unanswered(Stage.DOT, why)))
            elif self._step is Step.RSET or (current.rode and self._step is Step.MAIL and verdict is None):
                # Nothing was said about it, and the session has done its share for another: no penalty.
                news.append(Unsent(current.envelope))
            elif current.rested and self._step is Step.MAIL and not self.misbehaved:
                # The server had gone while the session waited, or says so now (421): no matter of this envelope.
                news.append(Unsent(current.envelope))
            else:
                news.append(current.done(verdict or unanswered(stage, why)))
        if self._ahead is not None:
            news.append(Unsent(self._ahead.envelope))
        news.append(Ended(reply, why, self.misbehaved))
        self._news = news
        self._current = self._ahead = None
        self._outgoing = []
        self._step = Step.ENDED
        self.why = why


TURNS: Final[tuple[tuple[Callable[[Turns, Reply], None], ...], ...]] = tuple(
    tuple(getattr(Turns, f"_{act.value}") for act in TABLE[step]) for step in Step
)
"""TABLE with each Act replaced by its method, so that a reply costs two look-ups."""
