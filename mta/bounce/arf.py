"""Feedback reports: a receiver tells that its user complained (RFC 5965, 6591, 6692)."""

import re
from dataclasses import dataclass
from typing import Final

MAX_LINES: Final = 1000
MAX_RECIPIENTS: Final = 100
MAX_VALUE: Final = 998
MAX_ADDRESS: Final = 320

TYPE: Final = "message/feedback-report"

_FIELD = re.compile(r"([!-9;-~]{1,60})[ \t]*:")
_KINDS: Final = {
    "opt-out": "unsubscribe",
    "opt-out-list": "unsubscribe",
    "auth-failure": "auth_report",  # somebody's mail failed DKIM or DMARC: nobody complained
    "dmarc": "auth_report",
    "not-spam": "none",
}


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback report; `fields` holds all of it, unknown fields too, by lower-case name."""

    kind: str  # complaint, unsubscribe, auth_report, none
    type: str  # the report's own word: abuse, fraud, virus, other, ...
    fields: dict[str, tuple[str, ...]]

    def first(self, name: str) -> str:
        """The first value of a field, or an empty string."""
        return self.fields.get(name, ("",))[0]

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses that the mail was for, if the reporter did not take them out (RFC 6590)."""
        told = self.fields.get("original-rcpt-to", ()) or self.fields.get("removal-recipient", ())
        return tuple(
            dict.fromkeys(
                bare
                for value in told
                if "@" in (bare := value.rpartition("<")[2].partition(">")[0].strip()[:MAX_ADDRESS])
                and bare.isprintable()
            )
        )[:MAX_RECIPIENTS]

    @property
    def reporter(self) -> str:
        """Who reports: Reporting-MTA without its type, else User-Agent."""
        return self.first("reporting-mta").rpartition(";")[2].strip() or self.first("user-agent")


def read(text: str) -> Feedback:
    """Return what a message/feedback-report part says. Never raises; without a type it is `other`."""
    fields: dict[str, list[str]] = {}
    name = ""
    for line in text.split("\n", MAX_LINES)[:MAX_LINES]:
        if line[:1] in (" ", "\t"):
            if name and len(fields[name][-1]) < MAX_VALUE:
                fields[name][-1] = f"{fields[name][-1]} {line.strip()}"[:MAX_VALUE]
        elif field := _FIELD.match(line):
            name = field[1].lower()
            fields.setdefault(name, []).append(line[field.end() :].strip()[:MAX_VALUE])
        else:
            name = ""
    told = {key: tuple(values) for key, values in fields.items()}
    word = told.get("feedback-type", ("other",))[0].split(";")[0].strip().strip('"').lower() or "other"
    return Feedback(_KINDS.get(word, "complaint"), word[:40], told)
