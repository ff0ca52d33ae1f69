"""A month of warm-up: the real scripts and the keeper's real duty by a calendar, against receivers that punish haste.

A pool has a new source and an old one. Receivers know the old one and take all it sends; of the new one each takes a
multiple of the most it ever took in a day, defers the rest, and thinks worse of who made it defer much. One of them has
bad days whatever is sent. What receivers and this bench counted by themselves is compared with what the engine did. The
same month without a ladder shows what haste costs.

python -m bench.warmup --json [--quick]
"""

import asyncio
import json
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.calendar import Calendar, by_calendar
from bench.machine import machine
from bench.warmup_month import DAY_MS, Month, Options
from mta.queue import embedded
from mta.queue.keys import Keys
from mta.queue.link import Server, connect
from mta.throttle.warmup import Counts, advance, begin, cap

SCHEMA = 1


def judged(month: Month) -> dict[str, Any]:
    """Return what the receivers' own counts say of what the engine did."""
    options = month.options
    exceeded = steps = wrong = 0
    rows: dict[str, list[dict[str, Any]]] = {}
    for provider in month.providers:
        expected = begin(month.first)
        for number in range(options.days):
            at = month.positions[number][provider]
            seen = month.seen[number][provider]
            if number:
                before = month.seen[number - 1][provider]
                counts = Counts(before.attempts, before.delivered, before.deferred, before.bounced)
                expected = advance(expected, month.first + number, counts, options.ladder)
            steps += at.stage > (month.positions[number - 1][provider].stage if number else 0)
            wrong += (at.stage, at.held, at.ended) != (expected.stage, expected.held, expected.ended)
            most = cap(at, options.ladder)
            exceeded += 0 <= most < seen.attempts
            rows.setdefault(provider, []).append(
                {
                    "stage": at.stage + 1, "cap": most, "sent": seen.attempts, "delivered": seen.delivered,
                    "deferred": seen.deferred, "by_old": seen.by_old, "held": at.held,
                }
            )  # fmt: skip
    return {"caps_exceeded": exceeded, "steps": steps, "not_by_rule": wrong, "providers": rows}


def outcome(month: Month) -> dict[str, Any]:
    """Return how the new source fared with those receivers that judge."""
    strict = [one for day in month.seen for name, one in day.items() if name != "*"]
    attempts, refused = sum(one.attempts for one in strict), sum(one.deferred for one in strict)
    return {
        "by_new": sum(one.delivered for one in strict), "by_old": sum(one.by_old for one in strict),
        "deferred_share": refused / max(1, attempts), "left": month.left,
        "takes_a_day_in_the_end": {name: int(one.takes()) for name, one in month.receivers.items()},
    }  # fmt: skip


async def month_of(options: Options, *, ladder: bool) -> Month:
    """Simulate a month on a fresh server."""
    with tempfile.TemporaryDirectory(prefix="mta-warmup-") as folder:
        server = embedded.start(Path(folder) / "redis")
        client = connect(Server(server.url))
        keys = Keys("mta:", 1)
        try:
            with by_calendar():
                calendar = Calendar(client, keys, options.first * DAY_MS)
                month = Month(options, client, keys, calendar, random.Random(options.seed), ladder=ladder)
                await month.run()
        finally:
            await client.aclose()
            server.stop()
    return month


def measure(options: Options) -> dict[str, Any]:
    """Run both months and return the document."""
    began = time.monotonic()
    warmed = asyncio.run(month_of(options, ladder=True))
    hasty = asyncio.run(month_of(options, ladder=False))
    found = judged(warmed)
    return {
        "bench": "warmup",
        "schema": SCHEMA,
        "machine": machine(),
        "options": asdict(options),
        "caps_exceeded": found["caps_exceeded"],
        "steps": found["steps"],
        "not_by_rule": found["not_by_rule"],
        "warmed": outcome(warmed),
        "hasty": outcome(hasty),
        "days_since_engaged": {name: median(ages) for name, ages in warmed.ages.items()},
        "providers": found["providers"],
        "seconds": time.monotonic() - began,
    }


@dataclass(frozen=True, slots=True)
class Goal:
    """What has to hold, in words and as a fact."""

    text: str
    held: bool


def goals(document: dict[str, Any]) -> list[Goal]:
    """Return what the ladder promises."""
    warmed, hasty = document["warmed"], document["hasty"]
    return [
        Goal("no cap was exceeded", document["caps_exceeded"] == 0),
        Goal("every step was the rule's", document["not_by_rule"] == 0 and document["steps"] > 0),
        Goal(
            "what was above the caps went by the old source, on its day",
            warmed["left"] == 0 < warmed["by_old"],
        ),
        Goal("fewer deferrals than in haste", warmed["deferred_share"] < hasty["deferred_share"] / 2),
        Goal(
            "the most engaged went by the new source",
            document["days_since_engaged"]["new"] < document["days_since_engaged"]["old"],
        ),
    ]


@click.command()
@click.option("--quick", is_flag=True, help="Ten days with a tenth of the mail.")
@click.option("--json", "as_json", is_flag=True)
def main(quick: bool, as_json: bool) -> None:
    """Simulate a month of warm-up and say whether caps, steps and overflow were as they should be."""
    options = Options(days=10, scale=0.1) if quick else Options()
    document = measure(options)
    found = goals(document)
    document["goals"] = {one.text: one.held for one in found}
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        for provider, rows in document["providers"].items():
            said = " ".join(f"{row['sent']}/{row['cap']}" for row in rows)
            click.echo(f"{provider}: {said}")
        for one in found:
            click.echo(f"{'held' if one.held else 'FAILED'}: {one.text}")
    raise SystemExit(0 if all(one.held for one in found) else 1)


if __name__ == "__main__":
    main()
