"""A finding of `mta doctor`: how bad, what it is about, what was seen, and what to do about it."""

from dataclasses import dataclass
from typing import Final

OK, WARN, BAD, UNKNOWN = "ok", "warn", "bad", "unknown"
LEVELS: Final = (BAD, WARN, UNKNOWN, OK)
"""From worst to best. `unknown`: it could not be looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`area` groups findings, `about` names the thing, `says` what was seen, `cure` what to do; no cure for ok."""

    area: str
    level: str
    about: str
    says: str
    cure: str = ""


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Return the findings by area as they came, in each the worst first."""
    areas = list(dict.fromkeys(one.area for one in findings))
    return sorted(findings, key=lambda one: (areas.index(one.area), LEVELS.index(one.level)))
