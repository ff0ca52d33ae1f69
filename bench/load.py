"""Hands in mail at a set rate, as a web tier would: an open loop, plain XADD, no library of the engine's.

Every submission is due at an instant that depends on its number and the rate alone. When Redis or the
engine is slow the generator falls behind and says by how much; it never lowers the rate it was asked for,
which would hide the very delay a bench is after (coordinated omission).
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import click
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bench.documents import (
    Domains,
    campaign_document,
    message_document,
    person,
    recipients_entry,
    tenant_document,
    tenant_name,
)
from bench.plan import Plan, Submission, parse_mix, submissions
from mta.demo.newsletter import entry

BATCH = 64  # submissions in one pipeline
BATCH_BYTES = 2 << 20
CHECK_S = 0.05  # how old a look at the engine's status may be
ATTEMPTS = 50  # of one pipeline; a repeat carries the same keys, so it makes no second mail
PROTOCOL = 1

__all__ = [
    "Domains",
    "Plan",
    "Submission",
    "Summary",
    "campaign_document",
    "entry",
    "message_document",
    "parse_mix",
    "person",
    "recipients_entry",
    "send",
    "submissions",
    "tenant_document",
    "tenant_name",
]


@dataclass(slots=True)
class Summary:
    """What was handed in, and how it went."""

    sent: int = 0  # messages
    entries: int = 0
    by_class: dict[str, int] = field(default_factory=dict)
    octets: int = 0
    seconds: float = 0.0
    errors: int = 0  # pipelines that failed in part or whole, each sent again
    waits: int = 0  # times the engine asked producers to stop
    wait_seconds: float = 0.0
    late_p50_ms: float = 0.0
    late_p99_ms: float = 0.0
    late_max_ms: float = 0.0


class _Sender:
    def __init__(self, redis: "Redis", prefix: str, log: TextIO | None, max_wait_s: float) -> None:
        self.summary = Summary()
        self.late: list[float] = []
        self._redis = redis
        self._prefix = prefix
        self._log = log
        self._max_wait_s = max_wait_s
        self._checked = -1.0
        self._classes: set[str] = set()
        self._zero = time.time() - time.monotonic()

    async def gate(self, classes: set[str]) -> None:
        """Return when the engine takes mail; raise TimeoutError when it has not for too long."""
        if time.monotonic() - self._checked < CHECK_S and classes <= self._classes:
            return
        self._classes |= classes
        began = time.monotonic()
        while await self._closed():
            if time.monotonic() - began > self._max_wait_s:
                raise TimeoutError(f"the engine took no mail for {self._max_wait_s} s")
            await asyncio.sleep(CHECK_S)
        self._checked = time.monotonic()
        waited = self._checked - began
        if waited >= CHECK_S:
            self.summary.waits += 1
            self.summary.wait_seconds += waited

    async def _closed(self) -> bool:
        names = ["accepting", "submit_limit", "proto_min"]
        accepting, limit, proto_min = await self._redis.hmget(f"{self._prefix}status", names)
        oldest = int(proto_min or 0)
        if oldest > PROTOCOL:
            raise ValueError(f"the engine speaks protocol {oldest} and up, this producer {PROTOCOL}")
        if accepting == "0":
            return True
        if not limit:
            return False
        return any(
            [await self._redis.xlen(f"{self._prefix}submit:{cls}") > int(limit) for cls in self._classes]
        )

    async def flush(self, batch: list[Submission], start: float) -> None:
        """Hand in `batch`; what fails is sent again with the same keys."""
        await self.gate({one.cls for one in batch})
        left = batch
        for attempt in range(ATTEMPTS):
            pipe = self._redis.pipeline(transaction=False)
            for one in left:
                pipe.xadd(f"{self._prefix}submit:{one.cls}", one.fields)  # type: ignore[arg-type]
            try:
                results = await pipe.execute(raise_on_error=False)
            except (RedisError, OSError):
                results = [None] * len(left)
            now = time.monotonic()
            failed = []
            for one, result in zip(left, results, strict=True):
                if not isinstance(result, str):
                    failed.append(one)
                    continue
                self._note(one, start + one.due, now)
            if not failed:
                return
            self.summary.errors += 1
            left = failed
            await asyncio.sleep(min(1.0, 0.05 * 2**attempt))
        raise TimeoutError(f"{len(left)} submissions failed {ATTEMPTS} times")

    def _note(self, one: Submission, due: float, now: float) -> None:
        summary = self.summary
        summary.entries += 1
        summary.sent += one.messages
        summary.octets += len(one.fields["data"])
        summary.by_class[one.cls] = summary.by_class.get(one.cls, 0) + one.messages
        self.late.append(now - due)
        if self._log:
            line = (f"{self._zero + due:.6f}", f"{self._zero + now:.6f}", one.cls, one.fields["key"], one.to)
            self._log.write("\t".join(line) + "\n")


async def send(
    plan: Plan, redis: "Redis", *, prefix: str = "mta:", log: TextIO | None = None, max_wait_s: float = 600.0
) -> Summary:
    """Hand in the whole plan and return what happened; `redis` decodes its replies.

    `log` gets one line per submission: when it was due, when XADD had returned (seconds since 1970), class,
    key, and the recipient of a `message`, by tabs. Raises TimeoutError when the engine takes nothing for
    `max_wait_s` seconds, ValueError when it speaks a newer protocol only.
    """
    sender = _Sender(redis, prefix, log, max_wait_s)
    batch: list[Submission] = []
    size = 0
    start = time.monotonic()
    for one in submissions(plan):
        due = start + one.due
        if batch and (len(batch) >= BATCH or size > BATCH_BYTES or due > time.monotonic()):
            await sender.flush(batch, start)
            batch, size = [], 0
        pause = due - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        batch.append(one)
        size += len(one.fields["data"])
    if batch:
        await sender.flush(batch, start)
    summary, late = sender.summary, sorted(sender.late)
    summary.seconds = time.monotonic() - start
    if late:
        summary.late_p50_ms = late[len(late) // 2] * 1000
        summary.late_p99_ms = late[min(len(late) - 1, len(late) * 99 // 100)] * 1000
        summary.late_max_ms = late[-1] * 1000
    return summary


def connect(url: str) -> "Redis":
    """Return a client for redis://, rediss:// or unix:// that hides no retry and decodes replies."""
    return Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0), socket_timeout=30)


async def _run(plan: Plan, url: str, prefix: str, log: Path | None, register: bool) -> Summary:
    redis = connect(url)
    try:
        if register:
            for number in range(plan.tenants):
                document = tenant_document(number)
                key = f"{plan.run}-t{number}"
                fields = entry("tenant", tenant_name(number), key, document)
                await redis.xadd(f"{prefix}submit:control", fields)  # type: ignore[arg-type]
        if log is None:
            return await send(plan, redis, prefix=prefix)
        with log.open("w", encoding="utf-8") as lines:
            return await send(plan, redis, prefix=prefix, log=lines)
    finally:
        await redis.aclose()


@click.command(context_settings={"show_default": True})
@click.option("--redis", "url", default="redis://127.0.0.1:6379/0", help="Also unix:///path/to/socket.")
@click.option("--prefix", default="mta:")
@click.option("--rate", default=0.0, help="Messages per second; 0 is flat out.")
@click.option("--count", default=0, help="Messages in all; with --rate, --seconds may say it instead.")
@click.option("--seconds", default=0.0)
@click.option("--mix", default="bulk=1", help="Shares by class, as bulk=0.98,transactional=0.02.")
@click.option("--tenants", default=1)
@click.option("--register/--no-register", default=False, help="Submit the tenants' documents first.")
@click.option("--domains", default=50)
@click.option("--spread", type=click.Choice(["uniform", "zipf"]), default="uniform")
@click.option("--head", default=0.0, help="Share of all mail that goes to the first domain.")
@click.option("--suffix", default="example.test")
@click.option("--rows", default=500, help="People in one recipients entry.")
@click.option("--html-bytes", default=12_000)
@click.option("--links", default=10)
@click.option("--track/--no-track", default=True)
@click.option("--seed", default=1)
@click.option("--run", default="", help="Prefix of ids and keys; by default made from the clock.")
@click.option("--first", default=0, help="Number of the first person.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), default=None)
def main(
    url: str, prefix: str, rate: float, count: int, seconds: float, mix: str, tenants: int, register: bool,
    domains: int, spread: str, head: float, suffix: str, rows: int, html_bytes: int, links: int, track: bool,
    seed: int, run: str, first: int, log: Path | None,
) -> None:  # fmt: skip
    """Hand in mail over the Redis protocol at a set rate, and print what happened as JSON."""
    count = count or round(rate * seconds)
    if count < 1 or not 1 <= rows <= 1000 or tenants < 1:
        raise click.UsageError("give --count, or --rate and --seconds; --rows is 1 to 1000, --tenants >= 1")
    try:
        plan = Plan(
            count=count, rate=rate, mix=parse_mix(mix), tenants=tenants,
            domains=Domains(domains, spread, head=head, suffix=suffix), rows=rows, html_bytes=html_bytes,
            links=links, track=track, seed=seed, run=run or f"x{time.time_ns() // 1_000_000:x}", first=first,
        )  # fmt: skip
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    summary = asyncio.run(_run(plan, url, prefix, log, register))
    document = {name: getattr(summary, name) for name in Summary.__slots__}
    click.echo(json.dumps({"bench": "load", "schema": 1, "run": plan.run, **document}))


if __name__ == "__main__":
    main()
