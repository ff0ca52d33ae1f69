"""What follows from a receiver's answers: rules by class, count or share within a time, and what they do to a path.

Data of the shaping file (docs/shaping.md). A rule counts answers of its classes over all workers; when there were
enough within its time it stops the path for a while, slows it, tells somebody, or all of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mta.throttle.terms import BadTerm, shown, span

CLASSES: Final = (
    "recipient_unknown", "recipient_disabled", "domain_invalid", "mailbox_full", "message_rejected", "spam_content",
    "reputation", "auth", "policy", "rate_limited", "greylisted", "remote_temporary", "network", "unknown",
)  # fmt: skip
KEYS: Final = ("class", "count", "within", "share", "suspend", "slow", "for", "alarm")
MOST_RULES: Final = 64  # of one section
MOST_COUNT: Final = 1_000_000
DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Rule:
    """`count` answers of `classes` within `within` ms act; with a `share`, only while so many of all attempts are such.

    `suspend`: ms for which nothing is sent on the path, doubled each time it soon happens again. `slow`: factor on its
    rate, for `lasts` ms. `alarm`: an event `warned`. `name` tells its counter from those of others.
    """

    name: str
    classes: frozenset[str]
    count: int
    within: int
    share: float = 0.0
    suspend: int = 0
    slow: float = 0.0
    lasts: int = 0
    alarm: bool = False

    def why(self, cls: str) -> str:
        """Return what happened, for the event."""
        share = f", {self.share:.0%} of attempts" if self.share else ""
        return f"{self.count} answers {cls} within {_said(self.within)}{share}"


class BadRule(BadTerm):
    """A rule can't be used: `key` is the one that is wrong."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


def rule(name: str, given: Mapping[str, Any]) -> Rule:
    """Return one rule of a file's section; raise BadRule. Unknown keys are the caller's to find."""
    classes = given.get("class")
    names = [classes] if isinstance(classes, str) else classes
    if not isinstance(names, list) or not names:
        raise BadRule("class", 'is missing; write a class of answers such as class = "reputation"')
    for one in names:
        if one not in CLASSES:
            raise BadRule("class", f"{shown(one)} is no class of answers; known: {', '.join(CLASSES)}")
    count = given.get("count", 1)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_COUNT:
        raise BadRule("count", f"is {shown(count)}; write a whole number from 1 to {MOST_COUNT}")
    share = _number("share", given.get("share", 0), 0.0, 1.0, "a share from 0 to 1, such as 0.05")
    slow = _number("slow", given.get("slow", 0), 0.0, 1.0, "a factor below 1, such as 0.5")
    alarm = given.get("alarm", False)
    if not isinstance(alarm, bool):
        raise BadRule("alarm", f"is {shown(alarm)}; write true or false")
    spans = {key: _span(key, given[key]) for key in ("within", "suspend", "for") if key in given}
    if slow == 1.0 or ("slow" in given and not slow):
        raise BadRule("slow", f"is {slow:g}; write a factor between 0 and 1, such as 0.5")
    if ("for" in given) is not ("slow" in given):
        key = "for" if "for" in given else "slow"
        raise BadRule(key, 'slow and for belong together; write slow = 0.5 and for = "30m"')
    if "suspend" in given and "slow" in given:
        raise BadRule("slow", "a suspended path sends nothing; give `suspend` or `slow`")
    if not (alarm or "suspend" in given or "slow" in given):
        raise BadRule("class", "the rule does nothing; give it suspend, slow with for, or alarm = true")
    return Rule(
        name, frozenset(names), count, spans.get("within", 3_600_000), share, spans.get("suspend", 0), slow,
        spans.get("for", 0), alarm,
    )  # fmt: skip


def by_class(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    """Return rules by the class of answer they count, in their order."""
    found: dict[str, tuple[Rule, ...]] = {}
    for one in rules:
        for cls in sorted(one.classes):
            found[cls] = (*found.get(cls, ()), one)
    return found


def _span(key: str, value: object) -> int:
    try:
        return span(value)
    except BadTerm as error:
        raise BadRule(key, str(error)) from None


def _number(key: str, value: object, least: float, most: float, cure: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadRule(key, f"is {shown(value)}; write {cure}")
    return float(value)


def _said(ms: int) -> str:
    for unit, name in ((DAY, "d"), (3_600_000, "h"), (60_000, "min")):
        if ms % unit == 0:
            return f"{ms // unit} {name}"
    return f"{ms / 1000:g} s"
