"""One envelope on its way: its commands, made ready before the first byte goes out, and its verdicts so far."""

from typing import Final

from mta.reply import Reply
from mta.smtp import dsn, wire
from mta.smtp.capabilities import Capabilities
from mta.smtp.happening import MAX_RECIPIENTS, Done, Envelope
from mta.smtp.wire import WireError
from mta.verdict import Stage, Verdict, judge


def unsendable(envelope: Envelope, caps: Capabilities, verified: bool = False) -> Reply | None:
    """Return our own 5yz reply if this server can't be given the envelope at all, else None.

    Nobody is asked, so that a message the server has said it can't take costs no round trip. `verified`: the
    session is encrypted and the server's certificate was checked.
    """
    if caps.size and envelope.size > caps.size:
        return _refusal(552, f"5.3.4 message of {envelope.size} octets, the server takes {caps.size}")
    if envelope.eight_bit and not caps.eight_bit:
        return _refusal(554, "5.6.3 the message is 8-bit and the server does not offer 8BITMIME")
    if not caps.utf8 and (envelope.utf8 or not envelope.sender.isascii()):
        return _refusal(550, "5.6.7 the message needs SMTPUTF8 and the server does not offer it")
    if envelope.requiretls and not (verified and caps.requiretls):
        missing = "the server does not offer it" if verified else "the session has no verified TLS"
        return _refusal(550, f"5.7.30 the message needs REQUIRETLS and {missing}")
    return None


def _refusal(code: int, text: str) -> Reply:
    return Reply(code, (text,), local=True)


NO_UTF8: Final = judge(
    Stage.RCPT, _refusal(553, "5.6.7 the address needs SMTPUTF8 and the server does not offer it")
)
"""The verdict for a recipient that can't be asked for."""


class Transaction:
    """An envelope, its commands MAIL, RCPT for each recipient that can be asked for, DATA, and its verdicts.

    With `chunking` there is no DATA: the content follows the last RCPT's reply. Raises WireError if any of it
    must not reach the wire.
    """

    __slots__ = (
        "asked",
        "commands",
        "envelope",
        "rested",
        "rode",
        "sent",
        "told",
        "turn",
        "undecided",
        "verdicts",
    )

    def __init__(self, envelope: Envelope, caps: Capabilities, chunking: bool = False) -> None:
        recipients = envelope.recipients
        count = len(recipients)
        if not 1 <= count <= MAX_RECIPIENTS:
            raise WireError(f"an envelope has 1 to {MAX_RECIPIENTS} recipients, this one {count}")
        self.envelope = envelope
        self.verdicts: list[Verdict | None] = [None] * count
        self.undecided = count
        self.asked: list[int] = []  # the recipients that get a RCPT command
        self.turn = 0  # how many of those commands have been answered
        self.told = False  # Done has been reported: replies still to come are read and mean nothing
        self.rested = False  # the session had waited before it: the server may have gone unnoticed
        self.rode = False  # its commands went out behind another's content
        self.sent = False  # its content went out with its commands: whatever breaks off now leaves it unsure
        sender, size = envelope.sender, envelope.size
        utf8 = envelope.utf8 or not sender.isascii()
        reports = envelope.dsn if caps.dsn else None
        more = ""
        commands = [b""]
        for i, recipient in enumerate(recipients):
            if reports is not None:
                more = dsn.rcpt_words(reports, i, count)
            command = wire.rcpt(recipient, more)
            if not recipient.isascii():
                if not caps.utf8:
                    self._decide(i, NO_UTF8)
                    continue
                utf8 = True
            self.asked.append(i)
            commands.append(command)
        more = dsn.mail_words(reports) if reports is not None else ""
        if envelope.requiretls:
            more += " REQUIRETLS"
        told = size if size and caps.size is not None else None
        commands[0] = wire.mail(sender, told, envelope.eight_bit, utf8, more)
        if not chunking:
            commands.append(wire.DATA)
        self.commands = commands

    def __repr__(self) -> str:
        return f"<Transaction {self.envelope.key!r}, {self.undecided} of {len(self.verdicts)} undecided>"

    def answer(self, verdict: Verdict | None) -> bool:
        """Note the answer to the next RCPT command, None for accepted; return whether it was the last."""
        if verdict is not None:
            self._decide(self.asked[self.turn], verdict)
        self.turn += 1
        return self.turn == len(self.asked)

    def done(self, rest: Verdict) -> Done:
        """Return what there is to report, with `rest` for whoever is undecided."""
        self.told = True
        return Done(self.envelope, tuple([known or rest for known in self.verdicts]))

    def _decide(self, i: int, verdict: Verdict) -> None:
        if self.verdicts[i] is None:
            self.verdicts[i] = verdict
            self.undecided -= 1
