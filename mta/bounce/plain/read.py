"""A failure notice without fields, read: who was not reached, whether for good, and in what words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from mta.bounce import dsn
from mta.bounce.dsn import Status
from mta.bounce.parts import Headers, Part
from mta.bounce.plain import amazon, candidates, diagnosis, signs
from mta.bounce.plain.candidates import Candidate
from mta.bounce.plain.lines import addresses
from mta.bounce.plain.notice import MAX_LINES, Notice, notices
from mta.bounce.plain.stage import stage

MAX_SHOWN: Final = 20  # addresses in a header field
MAX_BESIDE: Final = 32 << 10  # characters of the text beside fields
MAX_TO: Final = 1  # recipients of the returned message, of whom the notice may be when it names nobody

_FIELDS = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.IGNORECASE)
_FORMS: Final[tuple[Callable[[Sequence[str]], list[Candidate]], ...]] = (
    candidates.listed,
    lambda lines: candidates.named(lines) + candidates.spoken(lines),
    candidates.told,
    candidates.any_at_all,
)


class Told(NamedTuple):
    """What a notice tells of each recipient, and the header of the message that it returns."""

    statuses: list[Status]
    original: Headers

    @property
    def names(self) -> bool:
        """Whether it names a recipient."""
        return any(status.recipient for status in self.statuses)


def read(parts: list[Part], level: int) -> Told:
    """Return what a notice at this level of nesting tells; no statuses if it is no notice. Never raises.

    A notice that says only that delivery failed gives one Status without a recipient.
    """
    head = next((part.headers for part in parts if part.nested == level), ())
    surely = signs.surely_system(head)
    subject = signs.tells_failure(head)
    if not surely and not signs.maybe_system(head):
        return Told([], ())
    best = Told([], ())
    for notice in notices(parts, level):
        if not (surely or subject or notice.original or amazon.MARK in notice.text):
            continue
        statuses = amazon.read(notice.lines) or _of_fields(notice) or _of_words(head, notice, surely)
        told = Told(statuses, notice.original)
        if told.names:
            return told
        best = told if statuses and not best.statuses else best
    return best


def _of_fields(notice: Notice) -> list[Status]:
    """Fields for machines, in a text: the part's type or its boundary was lost on the way."""
    for number, line in enumerate(notice.lines):
        if _FIELDS.match(line):
            return dsn.read("\n".join(notice.lines[max(0, number - 8) :]))
    return []


def _of_words(head: Headers, notice: Notice, surely: bool) -> list[Status]:
    action = signs.action(head, notice.text)
    if not action and not (surely and signs.tells_failure(head)):
        return []
    if action == "delivered" and not surely:
        return []
    chosen = _chosen(head, notice)
    if not chosen and not signs.tells_failure(head):
        return []
    ordered = _firsts(chosen)
    stops = [one.line for one in ordered if one.line >= 0]
    return [_status(notice, one, stops, action or "failed") for one in ordered][: dsn.MAX_RECIPIENTS] or [
        _status(notice, Candidate("", -1, ""), [], action or "failed")
    ]


def _firsts(found: Sequence[Candidate]) -> list[Candidate]:
    """Each address once, where it stands first."""
    by_address: dict[str, Candidate] = {}
    for one in found:
        by_address.setdefault(one.address.lower(), one)
    return list(by_address.values())


def _chosen(head: Headers, notice: Notice) -> list[Candidate]:
    strangers = _shown(
        head, "to", "delivered-to", "from", "sender", "reply-to", "return-path", "x-original-to"
    )
    strangers |= _shown(notice.original, "from", "sender", "return-path", "reply-to", "errors-to")
    meant = _shown(notice.original, "to", "cc", "x-original-to", "envelope-to")
    failed = _shown(head, "x-failed-recipients")
    if failed:
        lines = list(enumerate(notice.lines))
        return [
            Candidate(address, next((n for n, line in lines if address in line.lower()), -1), "")
            for address in sorted(failed)
        ]
    for form in _FORMS:
        found = [one for one in form(notice.lines) if not candidates.is_masked(one.address)]
        kept = [one for one in found if one.address.lower() not in strangers or one.address.lower() in meant]
        if form is not candidates.listed:
            kept = [
                one for one in kept if not candidates.is_staff(one.address) or one.address.lower() in meant
            ]
        if kept:
            return kept
        if found and form is candidates.listed:
            return found  # who writes to himself
    return [Candidate(address, -1, "") for address in sorted(meant)] if len(meant) <= MAX_TO else []


def _status(notice: Notice, about: Candidate, stops: Sequence[int], action: str) -> Status:
    words = diagnosis.words(notice.lines, about, stops)
    code = dsn.code_in(words)
    status = dsn.enhanced_in(words)
    return Status(
        recipient=about.address[: dsn.MAX_ADDRESS],
        final=about.address[: dsn.MAX_ADDRESS],
        action=action,
        status=status if not (action == "failed" and status.startswith("2")) else "",
        code=code if code >= 400 else 0,
        diagnostic=words,
        remote="",
        reporting="",
        stage=_stage(notice.lines, about, stops),
    )


def _stage(lines: Sequence[str], about: Candidate, stops: Sequence[int]) -> str:
    if len(set(stops)) <= 1:
        return stage(lines)
    if about.line >= 0 and diagnosis.sums_up(lines[about.line]):
        since = max((stop for stop in stops if stop < about.line), default=-1)
        return stage(lines[since + 1 : about.line])
    end = min((stop for stop in stops if stop > about.line), default=len(lines))
    return stage(lines[about.line : end])


def completed(statuses: list[Status], parts: list[Part], at: int) -> list[Status]:
    """Return what fields say of recipients, with what they leave out taken from the text that goes with them."""
    shown = _shown(parts[0].headers, "x-failed-recipients")
    if len(statuses) == 1 and len(shown) == 1 and "@" not in statuses[0].recipient:
        # A file or a pipe was the final recipient.
        statuses = [replace(statuses[0], recipient=next(iter(shown)))]
    lines = _beside(parts, at)
    if not lines:
        return statuses
    spots = _firsts(candidates.listed(lines))
    return [_completed(status, lines, spots) for status in statuses]


def _completed(status: Status, lines: Sequence[str], spots: Sequence[Candidate]) -> Status:
    about = next(
        (one for one in spots if one.address.lower() in (status.recipient.lower(), status.final.lower())),
        Candidate(status.recipient, -1, ""),
    )
    stops = [one.line for one in spots]
    found = _stage(lines, about, stops) if about.line >= 0 or len(set(stops)) <= 1 else ""
    if status.diagnostic:
        return replace(status, stage=found)
    vague = not status.status or status.status.endswith(".0.0")
    words = diagnosis.words(lines, about, stops, wide=vague)
    told = dsn.enhanced_in(words)
    return replace(
        status,
        diagnostic=words,
        code=dsn.code_in(words),
        status=told if vague and told and told[0] in (status.status or told)[0] else status.status,
        stage=found,
    )


def _beside(parts: list[Part], at: int) -> tuple[str, ...]:
    """The lines of the text that was written for people along with the fields of a part."""
    texts = [
        part
        for part in parts[:at]
        if part.nested == parts[at].nested and part.type == "text/plain" and part.body
    ]
    return tuple(texts[-1].text[:MAX_BESIDE].split("\n")[:MAX_LINES]) if texts else ()


def _shown(headers: Headers, *names: str) -> set[str]:
    return {
        found.address.lower()
        for name, value in headers
        if name in names
        for found in list(addresses(value))[:MAX_SHOWN]
    }
