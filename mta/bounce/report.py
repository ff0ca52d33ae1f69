"""What a message that came back says: one Report per recipient it speaks of.

A report is a claim by whoever sent it. Only a token that our keys made, in the address it came to or among
`tokens`, ties it to a message of ours; the recipient it names never overrides that.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from mta.bounce import arf, autoreply, dsn
from mta.bounce.classify import Rules, classify
from mta.bounce.parts import Headers, Part, split_headers, take_apart
from mta.bounce.plain import read as plain

Kind = Literal[
    "bounce", "delay", "delivered", "complaint", "unsubscribe", "auth_report", "auto_reply", "none"
]

MAX_EXPLANATION: Final = 4000
MAX_TOKENS: Final = 16
MAX_SEARCHED: Final = 64 << 10  # characters looked through for tokens

_KINDS: Final[dict[str, Kind]] = {
    "failed": "bounce",
    "delayed": "delay",
    "delivered": "delivered",
    "relayed": "delivered",
    "expanded": "delivered",
    "complained": "complaint",
}
_FEEDBACK_KINDS: Final[dict[str, Kind]] = {
    "complaint": "complaint",
    "unsubscribe": "unsubscribe",
    "auth_report": "auth_report",
}
_HEADERS_ONLY: Final = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})
_RECEIPT: Final = "message/disposition-notification"
_WAITING: Final = "4.4.7"  # a delay without a reason: all that is known is that time passes
_JUNK_RECIPIENT: Final = "x-hmxmroriginalrecipient"
_OWN_ADDRESSES: Final = frozenset({"to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to"})
_TOKEN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z2-7]{45}(?![A-Za-z0-9])")
_LOOKS_LIKE_STATUS = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of one recipient; what is not said is empty, 0 for the code.

    `recipient` is the address the mail was sent to, as claimed. `tokens` are texts in the form of our signed
    tokens, lower-case, found in the returned message and in the report's own addresses; none is verified yet.
    """

    kind: Kind
    recipient: str = ""
    final_recipient: str = ""
    action: str = ""
    status: str = ""
    code: int = 0
    diagnostic: str = ""
    explanation: str = ""  # the part written for people
    remote: str = ""  # the server that refused
    reporter: str = ""  # the server or service that reports
    feedback_type: str = ""
    original_message_id: str = ""
    tokens: tuple[str, ...] = ()
    stage: str = ""  # where in the dialogue the refusal came (mta.verdict.Stage), if a text says so
    cls: str = ""  # with rules: what a bounce or delay means, and what is to be done about it
    disposition: str = ""

    @property
    def wording(self) -> str:
        """The words to classify: the diagnostic, else, if no status says more, the explanation for people.

        That has words on much else, so it counts from its first reply code on.
        """
        if self.diagnostic or (self.status and not self.status.endswith(".0.0")):
            return self.diagnostic
        return self.explanation[dsn.code_place(self.explanation) :]


def read(raw: bytes, rules: Rules | None = None) -> list[Report]:
    """Return what a returned message says, at least one Report (kind `none` if nothing). Never raises.

    Sizes are capped: see the constants here and in `parts`. A delivery or feedback report wins over all marks
    of an automatic answer, and one at the top over one inside a message that was forwarded or returned.
    """
    reports = _read(take_apart(raw))
    if rules is None:
        return reports
    return [_judged(report, rules) for report in reports]


def _judged(report: Report, rules: Rules) -> Report:
    if report.kind not in ("bounce", "delay"):
        return report
    meaning = classify(report.code, report.status, report.wording, rules, report.stage)
    if meaning.cls == "unknown" and report.kind == "delay" and not report.code and not report.status:
        meaning = classify(0, _WAITING, "", rules)
    return replace(report, cls=meaning.cls, disposition=meaning.disposition)


def _read(parts: list[Part]) -> list[Report]:
    if any(part.type == _RECEIPT and not part.nested for part in parts):
        return [Report("none")]  # read or deleted (RFC 8098): it had been delivered
    for level in range(max((part.nested for part in parts), default=0) + 1):
        here = [(at, part) for at, part in enumerate(parts) if part.nested == level]
        for at, part in here:
            if part.type == arf.TYPE:
                return _feedback(parts, at)
        reports = [report for at, part in here if _is_status(parts, part) for report in _statuses(parts, at)]
        if reports:
            return reports[: dsn.MAX_RECIPIENTS]
        # A notice wins over a report in the mail that it returns.
        if not level and (told := plain.read(parts, 0)).names and not _junk_report(parts):
            return _reports(told.statuses, parts, 0, told.original)
    if junk := _junk_report(parts):
        return [junk]
    if (told := plain.read(parts, 0)).statuses:
        return _reports(told.statuses, parts, 0, told.original)
    if parts and autoreply.is_auto_reply(parts[0].headers):
        return [Report("auto_reply", tokens=_tokens(_own(parts[0].headers)))]
    return [Report("none")]


def _is_status(parts: list[Part], part: Part) -> bool:
    if part.type in dsn.TYPES:
        return True
    # Some gateways give the status part another type; its container still says what it is.
    if part.parent < 0 or part.type not in ("text/plain", "application/octet-stream"):
        return False
    container = parts[part.parent]
    return (
        container.parameters.get("report-type", "").lower() == "delivery-status"
        and not any(other.type in dsn.TYPES and other.parent == part.parent for other in parts)
        and _LOOKS_LIKE_STATUS.search(part.text) is not None
    )


def _statuses(parts: list[Part], at: int) -> list[Report]:
    return _reports(plain.completed(dsn.read(parts[at].text), parts, at), parts, at, _original(parts, at))


def _reports(statuses: list[dsn.Status], parts: list[Part], at: int, original: Headers) -> list[Report]:
    explanation = _explanation(parts, at)
    message_id = _message_id(original)
    tokens = _tokens(_own(parts[0].headers) + original)
    return [
        Report(
            kind=_KINDS.get(status.action, "bounce"),
            recipient=status.recipient,
            final_recipient=status.final,
            action=status.action,
            status=status.status,
            code=status.code,
            diagnostic=status.diagnostic,
            explanation=explanation,
            remote=status.remote,
            reporter=status.reporting,
            stage=status.stage,
            original_message_id=message_id,
            tokens=tokens,
        )
        for status in statuses
    ]


def _feedback(parts: list[Part], at: int) -> list[Report]:
    feedback = arf.read(parts[at].text)
    original = _original(parts, at)
    told: Headers = tuple((name, value) for name, values in feedback.fields.items() for value in values)
    tokens = _tokens(told + original + _own(parts[0].headers))
    return [
        Report(
            kind=_FEEDBACK_KINDS.get(feedback.kind, "none"),
            recipient=recipient,
            explanation=_explanation(parts, at),
            remote=feedback.first("source-ip"),
            reporter=feedback.reporter,
            feedback_type=feedback.type,
            original_message_id=_message_id(original) or _message_id(told),
            tokens=tokens,
        )
        for recipient in feedback.recipients or ("",)
    ]


def _junk_report(parts: list[Part]) -> Report | None:
    """Outlook.com sends its users' complaints as the message alone, with a field of its own put on top."""
    for part in parts:
        # The field may be empty: then our own signed field in the same header says who it was.
        if part.nested == 1 and any(name == _JUNK_RECIPIENT for name, _ in part.headers):
            recipient = part.header(_JUNK_RECIPIENT)
            return Report(
                "complaint",
                recipient=bare if (bare := recipient.strip("<> ")[: dsn.MAX_ADDRESS]).isprintable() else "",
                reporter=parts[0].header("from")[: dsn.MAX_NAME],
                feedback_type="abuse",
                original_message_id=_message_id(part.headers),
                tokens=_tokens(part.headers + _own(parts[0].headers)),
            )
    return None


def _original(parts: list[Part], at: int) -> Headers:
    """The header of the returned message: the first one after the report in the same container."""
    for place in range(at + 1, len(parts)):
        part = parts[place]
        if part.parent != parts[at].parent:
            continue
        if part.type in _HEADERS_ONLY:
            return split_headers(part.body.lstrip(b"\n"))[0]
        if part.type.startswith("message/") and place + 1 < len(parts) and parts[place + 1].parent == place:
            return parts[place + 1].headers
    return ()


def _explanation(parts: list[Part], at: int) -> str:
    for part in parts[:at]:
        if part.type == "text/plain" and part.nested == parts[at].nested:
            return " ".join(part.text[: 2 * MAX_EXPLANATION].split())[:MAX_EXPLANATION]
    return ""


def _message_id(headers: Headers) -> str:
    value = next((value for name, value in headers if name in ("message-id", "original-message-id")), "")
    found = _MESSAGE_ID.search(value)
    return found[0] if found else ""


def _own(headers: Headers) -> Headers:
    return tuple((name, value) for name, value in headers if name in _OWN_ADDRESSES)


def _tokens(headers: Headers) -> tuple[str, ...]:
    text = "\n".join(value for _, value in headers)[:MAX_SEARCHED]
    return tuple(dict.fromkeys(found.lower() for found in _TOKEN.findall(text)))[:MAX_TOKENS]
