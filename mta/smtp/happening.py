"""What goes into a dialogue and what comes out of it."""

import msgspec

from mta.reply import Reply
from mta.verdict import Verdict

MAX_RECIPIENTS = 100  # RFC 5321 4.5.3.1.8: the number every server has to take in one transaction


class Envelope(msgspec.Struct, frozen=True):
    """One transaction to be made: `key` is the caller's own and never looked into.

    `sender` may be "" (the null sender). `size` in octets, 0 when unknown. `utf8`: the message or an address
    needs SMTPUTF8. `eight_bit`: the content has octets over 127.
    """

    key: object
    sender: str
    recipients: tuple[str, ...]  # 1 to MAX_RECIPIENTS
    size: int = 0
    utf8: bool = False
    eight_bit: bool = False


class NeedContent(msgspec.Struct, frozen=True):
    """The server said 354: call `content()`, or `abort()` if there is none after all."""

    envelope: Envelope


class Done(msgspec.Struct, frozen=True):
    """Every recipient of the envelope has its verdict, in the order of `envelope.recipients`."""

    envelope: Envelope
    verdicts: tuple[Verdict, ...]


class Unsent(msgspec.Struct, frozen=True):
    """The envelope has had no effect and no answer: it may be tried again at once and without penalty."""

    envelope: Envelope


class Ended(msgspec.Struct, frozen=True):
    """The session is over: close the connection. `reply` is the server's last word if one ended it."""

    reply: Reply | None
    why: str


Happening = NeedContent | Done | Unsent | Ended
