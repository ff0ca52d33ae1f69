"""What the mail of a whole site or campaign waits for, by shares: counts to one sentence."""

from collections.abc import Iterable
from dataclasses import dataclass

SAID = 6  # parts of the sentence; what is smaller is told as others

# By the reason codes of `answer`, and those that only a whole has.
_PHRASES = {
    "rate": "wait for {of}'s rate",
    "connections": "wait for a connection to {of}",
    "paused": "wait for the end of {of}'s pause",
    "stopped": "wait for the end of {of}'s stop by a rule",
    "warmup": "wait for the next day of a source that warms up",
    "source": "wait for a suspended source",
    "class": "wait behind higher classes at {of}",
    "turn": "wait for their turn at {of}",
    "next": "are next at {of}",
    "shelf": "wait packed for room at {of}",
    "suspended": "are kept by a suspended scope",
    "held": "are held",
    "canary": "wait for what a canary shows",
    "rejected": "were rejected and are about to be dropped",
    "own_rate": "wait for their own rate",
    "quota": "wait for their own quota",
    "window": "wait for their delivery window",
    "retry": "wait for a retry",
    "later": "wait for a time that was set, or for their delivery window",
    "sieved": "are held one by one",
    "no_worker": "wait for a worker: none runs",
    "ready_full": "wait in the store, enough is ready",
    "expander": "wait in the store to be opened",
    "opening": "are being opened",
    "in_flight": "in flight",
    "small": "stand in small lanes that were not looked at",
}


@dataclass(frozen=True, slots=True)
class Part:
    """So many messages wait for one reason, `of` a site where it matters."""

    reason: str
    count: int
    of: str = ""

    @property
    def phrase(self) -> str:
        """The reason in words."""
        said = _PHRASES.get(self.reason, self.reason)
        return said.format(of=self.of or "their sites")


def merged(parts: Iterable[Part]) -> list[Part]:
    """Return one part for each reason and site, the largest first; empty ones are left out."""
    counts: dict[tuple[str, str], int] = {}
    for part in parts:
        key = (part.reason, part.of if "{of}" in _PHRASES.get(part.reason, "") else "")
        counts[key] = counts.get(key, 0) + part.count
    found = [Part(reason, count, of) for (reason, of), count in counts.items() if count > 0]
    return sorted(found, key=lambda part: (-part.count, part.reason, part.of))


def sentence(parts: list[Part], about: bool) -> str:
    """Return `62 % wait for google's rate, 30 % wait for a retry, 8 % in flight`; `about` for estimated counts."""
    whole = sum(part.count for part in parts)
    if not whole:
        return "nothing waits"
    said = [f"{percent(part.count, whole)} {part.phrase}" for part in parts[:SAID]]
    rest = sum(part.count for part in parts[SAID:])
    if rest:
        said.append(f"{percent(rest, whole)} for other reasons")
    return ("about " if about else "") + ", ".join(said)


def percent(part: int, whole: int) -> str:
    """Return a share as `62 %`; never 0 for what is there, never 100 for what is not all."""
    share = 100 * part / whole
    if 0 < share < 1:
        return "under 1 %"
    return f"{min(share, 99.0) if part < whole else 100.0:.0f} %"
