"""What goes into a dialogue and what comes out of it."""

from typing import Final

import msgspec

from mta.reply import Reply
from mta.smtp.dsn import Dsn
from mta.verdict import Deferred, Stage, Verdict

MAX_RECIPIENTS: Final = 100
"""Recipients of one transaction: the number every server has to take (RFC 5321 4.5.3.1.8)."""

_TOO_MANY: Final = ("", "4.5.3", "5.5.3")  # RFC 3463 3.6: X.5.3


class Envelope(msgspec.Struct, frozen=True):
    """One transaction to be made: `key` is the caller's own and never looked into.

    `sender` may be "" (the null sender). `size` in octets, 0 when unknown. `utf8`: the message or an address
    needs SMTPUTF8. `eight_bit`: the content has octets over 127. `dsn` is asked for where it is offered.
    `requiretls`: may travel only over verified TLS to servers that keep to that (RFC 8689).
    """

    key: object
    sender: str
    recipients: tuple[str, ...]  # 1 to MAX_RECIPIENTS
    size: int = 0
    utf8: bool = False
    eight_bit: bool = False
    dsn: Dsn | None = None
    requiretls: bool = False


class NeedContent(msgspec.Struct, frozen=True):
    """The server waits for the message: call `content()`, or `decline()` if there is none after all."""

    envelope: Envelope


class Done(msgspec.Struct, frozen=True):
    """Every recipient of the envelope has its verdict, in the order of `envelope.recipients`."""

    envelope: Envelope
    verdicts: tuple[Verdict, ...]

    def surplus(self) -> tuple[int, ...]:
        """Return which recipients were one too many for this transaction: another may follow at once.

        Those answered 452 or 552 without a status of another meaning, when others were accepted (RFC 5321
        4.5.3.1.10). Empty for one recipient, and when none was accepted: then it is no matter of their number.
        """
        verdicts = self.verdicts
        if len(verdicts) < 2 or all(verdict.stage in (Stage.MAIL, Stage.RCPT) for verdict in verdicts):
            return ()
        return tuple(i for i, verdict in enumerate(verdicts) if _one_too_many(verdict))


class Unsent(msgspec.Struct, frozen=True):
    """The envelope has had no effect and no answer: it may be tried again at once and without penalty."""

    envelope: Envelope


class Ended(msgspec.Struct, frozen=True):
    """The session is over: close the connection. `reply` is the server's last word if one ended it.

    `misbehaved`: it said what the protocol has no place for, so pipelining to it is best left off for a while.
    """

    reply: Reply | None
    why: str
    misbehaved: bool = False


Happening = NeedContent | Done | Unsent | Ended


def _one_too_many(verdict: Verdict) -> bool:
    if not isinstance(verdict, Deferred) or verdict.stage is not Stage.RCPT or verdict.reply.local:
        return False
    return verdict.reply.code in (452, 552) and verdict.reply.enhanced in _TOO_MANY
