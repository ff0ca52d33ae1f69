"""The story of one message: its entry, its events and where it stands, as steps in their order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# What a step tells of an event, in this order, beside its kind and time.
_TOLD = {
    "attempt": ("code", "status", "reply", "mx", "source", "tls", "class", "disposition", "attempts", "delay_ms",
                "next"),
    "later": ("code", "status", "reply", "mx", "class", "disposition", "feedback", "reporter", "url", "ip", "agent",
              "proxy", "via", "list"),
    "other": ("reason", "list", "why", "by", "count"),
}  # fmt: skip
_GROUPS = {
    **dict.fromkeys(("delivered", "deferred", "bounced", "expired"), "attempt"),
    **dict.fromkeys(("complained", "opened", "clicked", "unsubscribed"), "later"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened: ms since 1970, in a word, and what is told of it."""

    at: int
    what: str
    told: dict[str, str] = field(default_factory=dict)
    attempt: int = 0  # which one it was, 0: none


def steps(events: Iterable[Mapping[str, str]]) -> list[Step]:
    """Return the events of one message as steps, each `eid` once, in the order of time."""
    found: dict[str, Step] = {}
    for number, event in enumerate(events):
        found.setdefault(event.get("eid", f"#{number}"), step(event))
    return sorted(found.values(), key=lambda one: one.at)


def step(event: Mapping[str, str]) -> Step:
    """Return an event as a step."""
    kind = event.get("event", "?")
    late = bool(event.get("async"))
    group = "later" if late else _GROUPS.get(kind, "other")
    told = {name: event[name] for name in _TOLD[group] if event.get(name)}
    tried = event.get("attempts", "")
    attempt = int(tried) if group == "attempt" and tried.isdigit() and event.get("mx") else 0
    return Step(_number(event.get("ts", "")), f"{kind} (reported later)" if late else kind, told, attempt)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
