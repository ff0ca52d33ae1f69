"""Which addresses of a notice are the recipients: the same few forms, however many systems write them.

listed    at the start of a line, after a bullet, a dash or a reply code: "<x@y>:", "  * x@y", "550 <x@y>... no"
named     after a label: "Recipient: x@y", "Error-for: x@y", "Unknown user: x@y"
spoken    after RCPT TO in what servers said to each other
told      in a sentence that tells of the failure: "There was an error delivering your mail to <x@y>."
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from mta.bounce.plain.lines import addresses

MAX_CANDIDATES: Final = 100


class Candidate(NamedTuple):
    """An address, the number of its line, and what that line says behind it."""

    address: str
    line: int
    rest: str


_BEFORE = re.compile(
    r"(?:[^@]{0,160}\bsmtp=)?[\s>*\-•·.|=#+\"'(\[]{0,40}"
    r"(?:(?:[245]\d\d[ \-]{1,3})?(?:[245]\.\d{1,3}\.\d{1,3}[ :]{1,3})?)?"
    r"(?:\d{1,3}[.)] {1,4})?(?:(?:smtp|rfc822|mailto)[:;] {0,4})?[<\"'(\[]{0,2}\Z",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"[>\"')\]]{0,3}(?:\s*\Z|\s{0,4}[:;,.\[({]|\s*<[^>@\s]{1,60}@|\s+on\s|\s{1,8}(?:-{1,2}|=|#)"
    r"|\s+\S.{0,80}(?:unknown|invalid|fail|error|reject|full|not |no |exceed|deliver|unable|expired"
    r"|disabled|denied|refus|over|quota)|\s{2,}\S)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:recipients?|(?:original |final |failed |intended |invalid |bad |unknown |undeliverable "
    r"|rejected |envelope )(?:recipients?|address(?:es)?|user|to)|error-?for|failed"
    r"|undeliverable(?: to)?|unknown user|user unknown|failed addresses?|address(?:es)?"
    r"|delivery failed"
    r"|delivery to|sent to|deliver(?:ed)? to|rcpt to|recipient address|user|mailbox"
    r"|e-?mail(?: address)?|empf.{1,2}nger|destinataire|destinatario|destinatário|получатель|收件人"
    r"|宛先|送信先|.{0,40}mailbox is full|.{0,40}(?:unknown|invalid|bad|no such) (?:user|recipient"
    r"|address|mailbox))"
    r"(?:\(s\))?\s{0,8}(?:[:=：]|=>|is)\s{0,8}[<\"'\[]?\Z",
    re.IGNORECASE,
)
_SPOKEN = re.compile(r"rcpt to ?:? ?<?\Z", re.IGNORECASE)
_TELLS = re.compile(
    r"(?:deliver|reach|send|sent|message|mail|forward|undeliverable|relay|route|gateway|rejected"
    r"|bounced|address(?:ed)?|recipient|user|mailbox|account|list|group|post|zu(?:ge)?stell"
    r"|nachricht|adresse|remis|message|entreg|mensaje|mensagem|consegn|доставл|адрес|给|地址|宛"
    r"|アドレス|to|for|an|à|a)\b.{0,60}\Z",
    re.IGNORECASE,
)
# Lines and lead-ins that name somebody else: the sender, a contact, a message's number.
_OTHERS = re.compile(
    r"\bfrom ?:|^\W*(?:from|sender|reply-to|return-path|message-?id|cc|bcc|subject|date|sent"
    r"|received|x-[a-z-]+|in-reply-to|references|mail from|list-[a-z]+|delivered-to|errors-to"
    r"|organization|by|id)\s?:|mail from:|message-id\W{0,2}[<:]|envelope.?from|(?:sent|mail|message"
    r"|received) (?:by|from) <?\"?\Z|\bfrom (?:sender )?<?\"?\Z"
    r"|contact|assistance|please (?:send|forward|e?-?mail|report|write)|questions|further (?:help"
    r"|information)|\bhelp\b|mailto:|https?:|sorry,? <?\Z|dear <?\Z|hello,? <?\Z|\bhi,? <?\Z"
    r"|return(?:ed)? to sender|on behalf of|sender(?: address| is|:)? ?<?\"?\Z|invited|complain"
    r"|report (?:this|it|the problem) to|wenden sie|kontakt|postmaster at",
    re.IGNORECASE,
)
_STAFF: Final = frozenset(
    {
        "postmaster",
        "mailer-daemon",
        "abuse",
        "support",
        "helpdesk",
        "hostmaster",
        "noc",
        "noreply",
        "no-reply",
    }
)


def listed(lines: Sequence[str]) -> list[Candidate]:
    """Addresses that begin a line."""
    found: list[Candidate] = []
    for number, line in enumerate(lines):
        if "@" not in line or line.lstrip()[:3] in (">>>", "<<<"):
            continue
        spots = list(addresses(line))
        if not spots or not _BEFORE.match(line[: spots[0].start]):
            continue
        last = spots[0]
        if not _AFTER.match(line, last.end):
            continue
        if len(spots) > 1 and not line[spots[0].end : spots[-1].end].strip(" ,;<>"):
            found += [Candidate(spot.address, number, "") for spot in spots]
            continue
        found.append(Candidate(last.address, number, line[last.end :].strip(" \t:;,>")))
        # "a@x, b@y; c@z": several on a line
        place = last.end
        for spot in spots[1:]:
            if line[place : spot.start].strip(" \t,;<>&\"'"):
                break
            found.append(Candidate(spot.address, number, line[spot.end :].strip(" \t:;,>")))
            place = spot.end
    return found[:MAX_CANDIDATES]


def named(lines: Sequence[str]) -> list[Candidate]:
    """Addresses after a label."""
    return _led(lines, _LABEL)


def spoken(lines: Sequence[str]) -> list[Candidate]:
    """Addresses after RCPT TO."""
    return _led(lines, _SPOKEN)


def told(lines: Sequence[str]) -> list[Candidate]:
    """Addresses in sentences that may tell of a failure."""
    return _led(lines, _TELLS)


def any_at_all(lines: Sequence[str]) -> list[Candidate]:
    """All addresses but those that are said to be somebody else's."""
    return [
        Candidate(spot.address, number, line[spot.end :])
        for number, line in enumerate(lines)
        if "@" in line
        for spot in addresses(line)
        if not _OTHERS.search(line[: spot.start])
    ][:MAX_CANDIDATES]


def is_masked(address: str) -> bool:
    """Say whether somebody put dots, stars or x in the place of the name (as RFC 6590 advises for feedback)."""
    local = address.partition("@")[0].lower()
    return "..." in local or "***" in local or (len(local) > 2 and not local.strip("x"))


def is_staff(address: str) -> bool:
    """Say whether an address is one that looks after mail."""
    return address.partition("@")[0].lower() in _STAFF


def _led(lines: Sequence[str], lead: re.Pattern[str]) -> list[Candidate]:
    found: list[Candidate] = []
    for number, line in enumerate(lines):
        if "@" not in line:
            continue
        for spot in addresses(line):
            before = line[max(0, spot.start - 120) : spot.start]
            if lead.search(before) and not _OTHERS.search(before):
                found.append(Candidate(spot.address, number, line[spot.end :].strip(" \t:;,>")))
    return found[:MAX_CANDIDATES]
