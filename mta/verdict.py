"""The three outcomes of an attempt, and the only place where one is made.

What is unclear is Deferred. A connection that ends after the final dot and before its reply is Deferred
and `unsure`: the receiver may have the message (RFC 1047), so a later attempt may be a duplicate.
"""

from dataclasses import dataclass
from enum import StrEnum

from mta.reply import Reply


class Stage(StrEnum):
    """Where in the conversation an answer belongs."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # between 354 and the final dot: nothing can have been accepted yet
    DOT = "dot"  # the final dot is out, its reply is not in
    PREPARE = "prepare"  # on our side, before anything was sent


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver took responsibility (RFC 5321 4.2.5)."""

    reply: Reply
    stage: Stage = Stage.DOT


@dataclass(frozen=True, slots=True)
class Deferred:
    """Try again later; `unsure` when the receiver may already have the message."""

    reply: Reply
    stage: Stage
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Final: this message will not be sent to this recipient again."""

    reply: Reply
    stage: Stage


Verdict = Delivered | Deferred | Failed


def judge(stage: Stage, reply: Reply) -> Verdict:
    """Return what `reply` at `stage` means for one recipient.

    Only the first digit decides, with the exceptions the standards name: a 552 to RCPT counts as 452
    (RFC 5321 4.5.3.1.10), a 421 is never final, and anything out of place is Deferred.
    """
    if reply.code == 421:
        return Deferred(reply, stage, unsure=False)
    if reply.kind == 2 and stage is Stage.DOT:
        return Delivered(reply)
    if reply.kind == 5 and not (stage is Stage.RCPT and reply.code == 552):
        if stage in (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS) and not reply.local:
            # The host refuses the conversation, not this recipient: another host or hour may take it.
            return Deferred(reply, stage)
        return Failed(reply, stage)
    return Deferred(reply, stage)


def unanswered(stage: Stage, why: str) -> Deferred:
    """Return the verdict for a conversation that broke off at `stage`; `why` is for the reader."""
    unsure = stage is Stage.DOT
    note = "; the message may be sent more than once" if unsure else ""
    return Deferred(Reply(451, (f"4.4.2 {why} during {stage.value}{note}",), local=True), stage, unsure)
