"""A taken message on its way, and what its session asks of those who know what becomes of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mta.queue.codec import Item
from mta.smtp.dialogue import Envelope
from mta.smtp.wire import WireError, path
from mta.verdict import Verdict
from mta.workers.contents import Content
from mta.workers.prepare import Made

if TYPE_CHECKING:
    from mta.workers.session import Session


class Work:
    """One taken message on its way through a session."""

    __slots__ = ("began", "content", "item", "made", "others", "settled", "until")

    def __init__(self, item: Item, content: Content | None = None, until: float = 0.0) -> None:
        self.item = item
        self.content = content
        self.until = until
        self.settled = False  # it has a result already: what the session says later is not asked for
        self.began = 0.0  # when its envelope was offered (time.monotonic)
        self.made: Made | None = None  # ahead of its turn, together with the one before it
        self.others: tuple[Work, ...] = ()  # recipients of the same message, in the same transaction

    def __repr__(self) -> str:
        return f"<Work {self.item.record.name}>"


class Owner(Protocol):
    """What a session asks of the worker."""

    def may_send(self, until: float) -> bool:
        """Whether a message whose permission ends then (time.monotonic) may be started now."""

    def envelope(self, work: Work) -> Envelope | None:
        """The envelope to offer; None when the owner has settled the message itself."""

    def content(self, work: Work, behind: Sequence[Work] = ()) -> Made | None:
        """The whole message; None when it can't be made (the owner has settled it).

        `behind` wait for their turn on the same session: they may be made at the same time.
        """

    def unsendable(self, work: Work, why: str) -> None:
        """The message must not reach the wire: it is to be set aside."""

    def dot(self, work: Work) -> None:
        """The message's final dot goes out now."""

    def verdict(self, work: Work, verdict: Verdict, session: "Session") -> None:
        """What became of it."""

    def back(self, work: Work) -> None:
        """It had no effect and may be tried by anyone."""

    def finished(self, session: "Session") -> None:
        """The batch is through; the session can take another."""

    def gone(self, session: "Session") -> None:
        """The connection has ended."""


def same(work: Work, other: Work) -> bool:
    """Return whether one transaction can serve both: recipients of one message that is the same for all.

    An address that the wire refuses is to fail alone, and one outside ASCII where SMTPUTF8 is not offered.
    """
    one, next_ = work.item.record, other.item.record
    if other.content is not work.content or next_.body != one.body or not one.body:
        return False
    if not (one.rcpt.isascii() and next_.rcpt.isascii()):
        return False
    try:
        path(next_.rcpt)
    except WireError:
        return False
    return True
