"""From a report that came to a signed address to what follows from it: an event, a suppression, or nothing.

Pure. Whom it is about is known from a signature; a recipient named inside a report overrides nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from mta.archive.recipient import Recipient
from mta.bounce.classify import Rules, classify
from mta.bounce.report import Report
from mta.event import event

REPLY_TEXT: Final = 512

BY: Final = "report"
FEEDBACK: Final = frozenset({"complaint", "unsubscribe"})
TELLING: Final = FEEDBACK | {"bounce"}
_SILENT: Final = frozenset({"delay", "delivered", "auto_reply", "auth_report"})


@dataclass(slots=True)
class Effect:
    """What one report does; `kind` is counted. `suppress` is (list, reason), the list empty for all bulk mail."""

    kind: str
    events: list[dict[str, str]] = field(default_factory=list)
    suppress: list[tuple[str, str]] = field(default_factory=list)
    evidence: str = ""  # what was said, for whoever asks why


def digest(raw: bytes) -> str:
    """Return what tells one report from another in an `eid`: the same report read twice is told once."""
    return blake2b(raw, digest_size=8, person=b"mta report").hexdigest()


def of_reports(
    reports: Sequence[Report], person: Recipient, token: str, mark: str, ts: int, rules: Rules
) -> Effect:
    """Return the effect of what came to a return address. `mark` is the report's digest, `ts` ms since 1970.

    A mail may speak of several recipients (an alias with many members): for us it is one, and a failure
    outweighs the rest. Kind `none` is for a person to look at.
    """
    chosen = _chosen(reports)
    if chosen is None or chosen.kind == "none":
        return Effect("none")
    if chosen.kind in _SILENT:
        return Effect(chosen.kind)
    if chosen.kind == "complaint":
        told = _event(
            "complained", person, token, mark, ts,
            feedback=chosen.feedback_type or "abuse", reporter=chosen.reporter[:REPLY_TEXT],
        )  # fmt: skip
        said = f"{chosen.feedback_type or 'abuse'}, reported by {chosen.reporter or 'a feedback loop'}"
        return Effect("complaint", [told], [("", "complained")], said)
    if chosen.kind == "unsubscribe":
        return leave(person, token, mark, ts)
    meaning = classify(chosen.code, chosen.status, chosen.wording, rules, chosen.stage)
    told = _event(
        "bounced", person, token, mark, ts,
        async_=1, class_=meaning.cls, disposition=meaning.disposition, code=str(chosen.code or ""),
        status=chosen.status, reply=chosen.wording[:REPLY_TEXT], mx=chosen.remote[:255],
    )  # fmt: skip
    said = chosen.wording or f"{chosen.code or ''} {chosen.status}".strip()
    return Effect("bounce", [told], [("", meaning.cls)] if meaning.suppress else [], said)


def leave(person: Recipient, token: str, mark: str, ts: int) -> Effect:
    """Return the effect of mail to an unsubscribe address: off the message's list."""
    told = _event("unsubscribed", person, token, mark, ts, via="mailto", list_=person.list_)
    return Effect(
        "unsubscribe", [told], [(person.list_, "unsubscribed")], "by mail to the unsubscribe address"
    )


def telling(reports: Sequence[Report]) -> Iterator[Report]:
    """Yield those reports that could have an effect, if they hold a token of ours: anyone may make up the rest."""
    return (report for report in reports if report.kind in TELLING)


def _chosen(reports: Sequence[Report]) -> Report | None:
    for kind in ("complaint", "unsubscribe", "bounce"):
        for report in reports:
            if report.kind == kind:
                return report
    return reports[0] if reports else None


def _event(kind: str, person: Recipient, token: str, mark: str, ts: int, **more: str | int) -> dict[str, str]:
    return event(
        kind,
        f"{token}/{kind}/{mark}",
        ts,
        id=person.name,
        tenant=person.tenant,
        campaign=person.campaign,
        rcpt=person.rcpt,
        ref=person.ref,
        **more,
    )
