"""What a load generator hands in, and when: a plan, and the submissions it comes to. No clock, no network."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import NamedTuple

from bench.documents import (
    Domains,
    campaign_document,
    message_document,
    person,
    recipients_entry,
    tenant_name,
)
from mta.demo.newsletter import entry

CLASSES = ("urgent", "transactional", "bulk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to hand in. `rate` is in messages (recipients) per second over all classes; 0 is flat out."""

    count: int
    rate: float = 0.0
    mix: dict[str, float] = field(default_factory=lambda: {"bulk": 1.0})  # class -> share of messages
    tenants: int = 1
    domains: Domains = field(default_factory=lambda: Domains(50))
    rows: int = 500  # people in one `recipients` entry
    html_bytes: int = 12_000
    links: int = 10
    track: bool = True
    seed: int = 1
    run: str = "run"  # begins every key and id: two runs with different names share nothing
    first: int = 0  # number of the first person


class Submission(NamedTuple):
    """One XADD. Sorts by when it is due."""

    due: float  # seconds after the start
    number: int  # of its first person; -1 for a campaign
    cls: str
    messages: int  # how many mails it asks for
    fields: dict[str, str]
    to: str = ""  # the recipient of a `message`


def parse_mix(text: str) -> dict[str, float]:
    """Return class -> share of `bulk=0.9,urgent=0.1`, scaled to a sum of 1; raise ValueError."""
    mix: dict[str, float] = {}
    for item in text.split(","):
        name, _, share = item.partition("=")
        if name.strip() not in CLASSES:
            raise ValueError(f"class {name!r} is none of {', '.join(CLASSES)}")
        mix[name.strip()] = float(share or 1)
    total = sum(mix.values())
    if total <= 0 or min(mix.values()) < 0:
        raise ValueError(f"mix {text!r} has no positive sum")
    return {name: share / total for name, share in mix.items()}


def submissions(plan: Plan) -> Iterator[Submission]:
    """Yield the whole plan in the order it falls due: deterministic, made as it is read.

    A class's people are numbered without gaps, bulk first, from `plan.first` on; each tenant has one bulk
    campaign, whose last entry says so.
    """
    counts = {cls: round(plan.count * plan.mix.get(cls, 0.0)) for cls in CLASSES}
    largest = max(counts, key=lambda cls: counts[cls])
    counts[largest] += plan.count - sum(counts.values())  # rounding loses nobody
    streams = [_bulk(plan, plan.first, counts["bulk"])]
    at = plan.first + counts["bulk"]
    for cls in ("transactional", "urgent"):
        streams.append(_messages(plan, cls, at, counts[cls]))
        at += counts[cls]
    return merge(*streams, key=lambda one: (one.due, one.number))


def _bulk(plan: Plan, first: int, count: int) -> Iterator[Submission]:
    pace = plan.mix.get("bulk", 0.0) * plan.rate
    entries = -(-count // plan.rows)
    for number in range(min(plan.tenants, entries)):
        tenant = tenant_name(number)
        document = campaign_document(
            tenant, number, run=plan.run, links=plan.links, html_bytes=plan.html_bytes,
            track=plan.track, seed=plan.seed,
        )  # fmt: skip
        fields = entry("campaign", tenant, f"{plan.run}-c{number}", document)
        yield Submission(0.0, -1, "bulk", 0, fields)
    for number in range(entries):
        at = number * plan.rows
        which = number % plan.tenants
        tenant = tenant_name(which)
        people = [person(first + n, plan.domains, plan.seed) for n in range(at, min(at + plan.rows, count))]
        last = number + plan.tenants >= entries
        document = recipients_entry(tenant, f"{plan.run}-c{which}", people, last=last)
        fields = entry("recipients", tenant, f"{plan.run}-r{number}", document)
        yield Submission(at / pace if pace else 0.0, first + at, "bulk", len(people), fields)


def _messages(plan: Plan, cls: str, first: int, count: int) -> Iterator[Submission]:
    pace = plan.mix.get(cls, 0.0) * plan.rate
    for n in range(count):
        to = person(first + n, plan.domains, plan.seed)
        tenant = tenant_name(n % plan.tenants)
        document = message_document(
            tenant, first + n, to, run=plan.run, links=plan.links, html_bytes=plan.html_bytes,
            track=plan.track, seed=plan.seed,
        )  # fmt: skip
        fields = entry("message", tenant, f"{plan.run}-m{first + n}", document)
        yield Submission(n / pace if pace else 0.0, first + n, cls, 1, fields, to.email)
