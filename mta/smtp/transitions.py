"""The dialogue's rules as one table: which answer is awaited, and what each class of reply to it leads to.

With DATA a transaction walks MAIL, RCPT (once per recipient), DATA, BODY, DOT. One that has no recipient left
when 354 comes walks LONE_DOT in place of BODY and DOT: the server waits for content and gets none (RFC 2920
3.1). With BDAT (RFC 3030) it walks MAIL, RCPT, BODY, CHUNK, or MAIL, RCPT, CHUNK when content and commands
went out together. RSET comes in front where the server still holds an earlier transaction.

Not in the table because it holds everywhere: 421 ends the session (RFC 5321 3.8), and so does a reply that
comes before the command it would answer.
"""

from enum import Enum, IntEnum, auto
from typing import Final

from mta.verdict import Stage


class Step(IntEnum):
    """What the next reply answers; BODY is the server's wait for us, when none may come."""

    IDLE = 0
    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BODY = auto()
    DOT = auto()
    LONE_DOT = auto()
    CHUNK = auto()
    QUIT = auto()
    ENDED = auto()


class Act(Enum):
    """What a reply leads to; mta.smtp.turns has a method of the same name for each."""

    STATE_CLEARED = "state_cleared"
    MAIL_ACCEPTED = "mail_accepted"
    MAIL_REFUSED = "mail_refused"
    RCPT_ACCEPTED = "rcpt_accepted"
    RCPT_REFUSED = "rcpt_refused"
    GO_AHEAD = "go_ahead"
    DATA_REFUSED = "data_refused"
    CONTENT_ANSWERED = "content_answered"
    LONE_DOT_ANSWERED = "lone_dot_answered"
    CHUNK_ACCEPTED = "chunk_accepted"
    CHUNK_REFUSED = "chunk_refused"
    GOODBYE = "goodbye"
    OUT_OF_CONTEXT = "out_of_context"


_NO: Final = Act.OUT_OF_CONTEXT

TABLE: Final[dict[Step, tuple[Act, Act, Act, Act]]] = {
    #               2yz                     3yz           4yz                     5yz
    Step.IDLE:     (_NO,                    _NO,          _NO,                    _NO),
    Step.RSET:     (Act.STATE_CLEARED,      _NO,          _NO,                    _NO),
    Step.MAIL:     (Act.MAIL_ACCEPTED,      _NO,          Act.MAIL_REFUSED,       Act.MAIL_REFUSED),
    Step.RCPT:     (Act.RCPT_ACCEPTED,      _NO,          Act.RCPT_REFUSED,       Act.RCPT_REFUSED),
    Step.DATA:     (_NO,                    Act.GO_AHEAD, Act.DATA_REFUSED,       Act.DATA_REFUSED),
    Step.BODY:     (_NO,                    _NO,          _NO,                    _NO),
    Step.DOT:      (Act.CONTENT_ANSWERED,   _NO,          Act.CONTENT_ANSWERED,   Act.CONTENT_ANSWERED),
    Step.LONE_DOT: (Act.LONE_DOT_ANSWERED,  _NO,          Act.LONE_DOT_ANSWERED,  Act.LONE_DOT_ANSWERED),
    Step.CHUNK:    (Act.CHUNK_ACCEPTED,     _NO,          Act.CHUNK_REFUSED,      Act.CHUNK_REFUSED),
    Step.QUIT:     (Act.GOODBYE,            Act.GOODBYE,  Act.GOODBYE,            Act.GOODBYE),
    Step.ENDED:    (_NO,                    _NO,          _NO,                    _NO),
}  # fmt: skip
"""Step to what a reply of class 2, 3, 4 or 5 leads to."""

STAGE: Final[dict[Step, Stage]] = {
    Step.RSET: Stage.MAIL,
    Step.MAIL: Stage.MAIL,
    Step.RCPT: Stage.RCPT,
    Step.DATA: Stage.DATA,
    Step.BODY: Stage.BODY,
    Step.DOT: Stage.DOT,
    Step.LONE_DOT: Stage.DOT,
    Step.CHUNK: Stage.DOT,
}
"""The stage a verdict and a deadline name; IDLE, QUIT and ENDED have none."""
