"""The words that tell why: a server's reply where one is quoted, else what stands below the recipient, else all."""

import re
from collections.abc import Sequence
from typing import Final

from mta.bounce.plain.candidates import Candidate

MAX_BLOCK: Final = 40  # lines
MAX_WORDS: Final = 2000
MAX_ABOVE: Final = 6  # lines between a server's words and the recipient they are about
PARAGRAPHS: Final = 3  # below a recipient who is the only one

# A reply code is one at the start of a line or behind what introduces it; elsewhere it is a number like others.
_REPLY = re.compile(
    r"(?:^|[:;<>\"'(\[]\s{0,3}|\bsaid:?\s{1,3}|\berror:?\s{1,3}|\bcode:?\s{1,3}|\bresponse:?\s{1,3}"
    r"|\breason:?\s{1,3})[\"'(]?((?:SMTP "
    r"|ESMTP )?([45]\d\d)(?:[ \-:]\s{0,2}(?:#?\(?[45]\.\d{1,3}\.\d{1,3}\)?)?)\s{0,3}[\S])",
    re.IGNORECASE,
)
_ENHANCED = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
_DIALOGUE = re.compile(r"\s*(?:>>>|=>)\s")
_ANSWER = re.compile(r"\s*(?:<<<|<=)\s*(?=[45]\d\d)")
_LED = re.compile(r"\s*[45]\d\d[ \-].{0,12}<[^>]{1,320}>\s?\.\.\.")
_RULE = re.compile(r"[\s\-=*_#+~.]*\Z|\s*[-=*_#+~]{2,}.{0,80}[-=*_#+~]{2,}\s*\Z")
_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = re.compile(
    r"this (?:message was created automatically|is an automatically|is a permanent error|is the"
    r"|mail is|is just|report|notification|delivery status)|hi\. this is|a message that you sent"
    r"|i'm afraid i|i've given up|sorry it didn|for further assistance|if you do so"
    r"|delete your own text|the (?:mail system|postfix program)|please (?:include|do not reply"
    r"|contact|forward|reply)|no action is required|i'm not going to try again"
    r"|this message has been in the queue too long|message will be retried"
    r"|you do not need to re-?send|this is a warning|the following address|^\s*your message (?:to"
    r"|could not|was not|did not)|i'm sorry to have|be delivered to one or more"
    r"|could not be delivered to one|recipients\. this"
    r"|^\s*(?:to|cc|subject|sent|date|from|message-id|size)\s*:|^your message$|technical details"
    r"|the attached message|automatically generated|original message|^\s*(?:because|reason)\W*$"
    r"|the original message was received|delivery to the following|unable to deliver (?:this "
    r"|your )?message to the following"
    r"|message from \S+$|^\s*from \S+$|did not reach the following",
    re.IGNORECASE,
)


def words(lines: Sequence[str], about: Candidate | None, stops: Sequence[int], *, wide: bool = True) -> str:
    """Return the diagnosis of one recipient: at most 2,000 characters on one line.

    `about` is where the recipient is listed, `stops` are the lines where any are. With `wide`, what is said of no
    recipient is taken where nothing is said of this one.
    """
    address = about.address if about else ""
    alone = len(set(stops)) <= 1
    below: list[str] = []
    if about is not None and about.line >= 0 and sums_up(lines[about.line]):
        return _transcript(lines, about.line, stops)
    if about is not None and about.line >= 0:
        end = min((stop for stop in stops if stop > about.line), default=len(lines))
        below = _block(lines[about.line : min(end, about.line + MAX_BLOCK)], PARAGRAPHS if alone else 1)
        if reply := _reply(below):
            return reply
    if address:
        for number, line in enumerate(lines):
            if address in line and (reply := _reply(lines[number : number + 4])):
                return reply
    if about is not None and address and not _says(below, address):
        places = [number for number, line in enumerate(lines) if address in line and number != about.line]
        if places:
            below = _block(lines[places[0] : places[0] + MAX_BLOCK], 1)
    # One recipient, or nothing beside any of them: then the reply is for all.
    if (alone or not _says(below, address)) and (reply := _reply(lines)):
        return reply
    if _says(below, address):
        return _joined(below)
    return _joined([line for line in lines if not _COMMON.search(line)]) if wide else ""


def sums_up(line: str) -> bool:
    """Say whether a line is one of a transcript that names a recipient below what the server said of it."""
    return _LED.match(line) is not None


def _transcript(lines: Sequence[str], at: int, stops: Sequence[int]) -> str:
    """In a transcript the line with a code and the recipient sums up; the server's own words stand above it."""
    since = max((stop for stop in stops if stop < at), default=-1)
    for number in range(at - 1, max(since, at - MAX_ABOVE), -1):
        if _ANSWER.match(lines[number]):
            return _joined([_ANSWER.sub("", lines[number])])
    end = at + 1
    while end < len(lines) and lines[end][:1] in " \t" and lines[end].strip():
        end += 1
    return _joined(lines[at:end])


def _block(lines: Sequence[str], paragraphs: int) -> list[str]:
    """What belongs to the recipient in the first line: that many paragraphs with words, up to the next rule."""
    kept = [lines[0]] if lines else []
    spoken = 0
    in_words = False
    for line in lines[1:]:
        if not line.strip():
            spoken += in_words
            in_words = False
            if spoken >= paragraphs:
                break
            continue
        if _RULE.match(line):
            break
        if not _COMMON.search(line):
            kept.append(line)
            in_words = in_words or bool(_WORD.search(line))
    return kept


def _reply(lines: Sequence[str]) -> str:
    """The first reply that refuses, with the lines that go on with it; an answer in a dialogue is best."""
    answers = [number for number, line in enumerate(lines) if _ANSWER.match(line)]
    if answers:
        told = [_ANSWER.sub("", line) for line in lines[answers[0] :]]
        end = next(
            (n for n, line in enumerate(told) if n and (_DIALOGUE.match(line) or not line.strip())), len(told)
        )
        return _joined([line.strip().removeprefix("<<<") for line in told[:end]])
    for number, line in enumerate(lines):
        if found := _REPLY.search(line):
            rest = [line[found.start(1) :]]
            for more in lines[number + 1 :]:
                if not more.strip() or _DIALOGUE.match(more) or _RULE.match(more):
                    break
                rest.append(more)
            return _joined(rest)
    return ""


def _says(lines: Sequence[str], address: str) -> bool:
    """Whether there are words beside the address, or a code."""
    text = " ".join(lines).replace(address, " ")
    return len(_WORD.findall(text)) >= 2 or _ENHANCED.search(text) is not None


def _joined(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())[:MAX_WORDS]
