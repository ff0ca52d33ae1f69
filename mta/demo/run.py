"""`mta demo`: a newsletter to two thousand people through the whole engine, on loopback, in about a minute.

Shows what happened and checks it: the numbers must add up, the signature must verify, the urgent notice must have
overtaken the newsletter, nothing may be left running. Exit code 0 only then.
"""

import asyncio
import operator
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import dkim
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mta.archive.archive import Archive
from mta.demo import newsletter, town
from mta.demo.capture import Received
from mta.demo.readers import Readers, Reading
from mta.demo.stage import Stage, StageFault
from mta.event import FINAL
from mta.queue.link import QueueDown

TENANT, NEWSLETTER, NOTICE = "shop", "spring", "notice"
DEADLINE_SECONDS = 75.0
NOTICE_AT = 0.25  # of the newsletter delivered
SHOWN = (
    "accepted", "delivered", "bounced", "suppressed", "expired", "purged", "failed", "queued",
    "deferred", "opened", "clicked", "unsubscribed", "late_bounced",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """How large the demo is."""

    recipients: int = 2000
    redis: str = ""  # URL of an empty server; none: the engine's own
    rate: str = "40/s"  # per receiving site: slow enough to watch, and to be overtaken


@dataclass(slots=True)
class Story:
    """What the demo saw."""

    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    notice_started_at: int = 0  # newsletter mails final when the notice was submitted
    notice_seconds: float = 0.0
    newsletter_at_notice_end: int = 0
    reading: Reading = field(default_factory=Reading)
    start_seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def run(options: Options | None = None) -> int:
    """Run the demo; return the exit code."""
    console = Console(highlight=False)
    try:
        return asyncio.run(_run(options or Options(), console))
    except (StageFault, QueueDown) as error:
        print(f"mta demo: {error}", file=sys.stderr)
        return 1


async def _run(options: Options, console: Console) -> int:
    began = time.monotonic()
    stage = Stage(options.rate, options.redis)
    story = Story()
    code: int | None = None
    try:
        await stage.open()
        story.start_seconds = time.monotonic() - began
        console.print(f"The engine answers after {story.start_seconds:.1f} s; its state is in {stage.state}")
        _show_town(console)
        await _play(options, stage, story, console, began + DEADLINE_SECONDS)
        _show(stage, story, console)
    finally:
        code = await stage.close()
    if code != 0:
        story.faults.append(f"the engine ended with exit code {code}")
    for fault in story.faults:
        console.print(f"[red]not as it should be:[/red] {fault}")
    if not story.faults:
        console.print(
            f"[green]All of it holds.[/green] {time.monotonic() - began:.0f} s, nothing is left running."
        )
    return 1 if story.faults else 0


# the play


async def _play(options: Options, stage: Stage, story: Story, console: Console, ends: float) -> None:
    people = newsletter.recipients_csv(options.recipients, town.weights())
    document, parts = newsletter.documents(people, tenant=TENANT, campaign=NEWSLETTER)
    for fields in newsletter.entries(document, parts):
        await stage.redis.xadd(stage.keys.submit_stream("bulk"), fields)
    urgent, urgent_parts = newsletter.notice(people, tenant=TENANT, campaign=NOTICE)
    bar = Progress(
        TextColumn("{task.description:>12}"), BarColumn(40), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(), console=console,
    )  # fmt: skip
    readers = asyncio.create_task(_read(stage, story))
    with bar:
        lines = {
            NEWSLETTER: bar.add_task("newsletter", total=options.recipients, note=""),
            NOTICE: bar.add_task("urgent", total=options.recipients, note="", start=False),
        }
        notice_began = 0.0
        while time.monotonic() < ends:
            await asyncio.sleep(0.2)
            for campaign, line in lines.items():
                totals = await _totals(stage, campaign)
                story.totals[campaign] = totals
                bar.update(line, completed=_final(totals), note=_note(totals))
            done = {campaign: _final(story.totals[campaign]) for campaign in lines}
            if not notice_began and done[NEWSLETTER] >= options.recipients * NOTICE_AT:
                for fields in newsletter.entries(urgent, urgent_parts):
                    await stage.redis.xadd(stage.keys.submit_stream("urgent"), fields)
                notice_began = time.monotonic()
                story.notice_started_at = done[NEWSLETTER]
                bar.start_task(lines[NOTICE])
            if notice_began and not story.notice_seconds and done[NOTICE] >= options.recipients * 0.95:
                story.notice_seconds = time.monotonic() - notice_began
                story.newsletter_at_notice_end = done[NEWSLETTER]
            if all(count >= options.recipients for count in done.values()):
                break
        else:
            story.faults.append("time was up before every recipient had a final event")
    try:
        await asyncio.wait_for(readers, max(5.0, ends - time.monotonic()))
    except TimeoutError:
        story.faults.append("the readers did not come to an end")
    await _wait_for_feedback(stage, story, ends)


def _reports(stage: Stage, story: Story) -> tuple[int, int]:
    """How many bounces the receiving side sent back, and how many of them the engine has told."""
    assert stage.receiver is not None
    counts = stage.receiver.snapshot()
    sent = int(str(counts["bounces_sent"])) + int(str(counts["bounces_failed"]))
    return sent, sum(totals.get("late_bounced", 0) for totals in story.totals.values())


async def _read(stage: Stage, story: Story) -> None:
    """Let people read what has arrived, in the order in which it came, until nothing more comes."""
    readers = Readers("127.0.0.1", stage.web_port, seed="demo")
    seen = 0
    quiet = 0
    while quiet < 3:
        await asyncio.sleep(1.0)
        arrived: list[Received] = stage.capture.messages
        fresh = [one.data for one in arrived[seen:]]
        seen += len(fresh)
        quiet = 0 if fresh else quiet + 1
        if fresh:
            reading = await readers.read(fresh)
            total = story.reading
            total.messages += reading.messages
            total.opened += reading.opened
            total.clicked += reading.clicked
            total.unsubscribed += reading.unsubscribed
            total.failed += reading.failed
            for what, count in reading.faults.items():
                total.faults[what] = total.faults.get(what, 0) + count


async def _wait_for_feedback(stage: Stage, story: Story, ends: float) -> None:
    while True:
        for campaign in story.totals:
            story.totals[campaign] = await _totals(stage, campaign)
        seen = story.totals.get(NEWSLETTER, {})
        reading = story.reading
        if (
            seen.get("opened", 0) >= reading.opened
            and seen.get("clicked", 0) >= reading.clicked
            and seen.get("unsubscribed", 0) >= reading.unsubscribed
            and operator.ge(*reversed(_reports(stage, story)))
        ):
            return
        if time.monotonic() > ends:
            story.faults.append("not all opens, clicks, unsubscribes and late bounces were told in time")
            return
        await asyncio.sleep(0.2)


async def _totals(stage: Stage, campaign: str) -> dict[str, int]:
    row = await stage.redis.hgetall(stage.keys.progress(TENANT, campaign))
    return {name.decode(): int(value) for name, value in row.items() if name not in (b"state", b"why")}


def _final(totals: Mapping[str, int]) -> int:
    return sum(totals.get(kind, 0) for kind in FINAL)


def _note(totals: Mapping[str, int]) -> str:
    return f"{totals.get('delivered', 0)} delivered, {totals.get('bounced', 0)} bounced"


# what it came to


def _show_town(console: Console) -> None:
    table = Table(title="The receiving side, found through DNS", title_justify="left")
    table.add_column("domain")
    table.add_column("people", justify="right")
    table.add_column("habit")
    for domain in town.DOMAINS:
        table.add_row(domain.name, f"{domain.weight / 10:.1f} %", domain.habit)
    console.print(table)


def _show(stage: Stage, story: Story, console: Console) -> None:
    table = Table(title="Campaign report", title_justify="left")
    table.add_column("")
    for campaign in story.totals:
        table.add_column(campaign, justify="right")
    for kind in SHOWN:
        table.add_row(kind, *(str(totals.get(kind, 0)) for totals in story.totals.values()))
    console.print(table)
    for campaign, totals in story.totals.items():
        parts = {kind: totals.get(kind, 0) for kind in sorted(FINAL) if totals.get(kind, 0)}
        accepted = totals.get("accepted", 0)
        spelled = " + ".join(f"{count} {kind}" for kind, count in parts.items())
        console.print(f"{campaign}: {accepted} accepted = {spelled} + {totals.get('queued', 0)} queued")
        if accepted != sum(parts.values()) + totals.get("queued", 0) or not accepted:
            story.faults.append(f"the numbers of {campaign} do not add up")
    left_behind = story.newsletter_at_notice_end
    console.print(
        f"Urgent notice: submitted when {story.notice_started_at} newsletters were through, "
        f"95 % of it through {story.notice_seconds:.1f} s later, "
        f"when {story.totals[NEWSLETTER].get('accepted', 0) - left_behind} newsletters still waited."
    )
    if not story.notice_seconds or left_behind >= story.totals[NEWSLETTER].get("accepted", 0):
        story.faults.append("the urgent notice did not overtake the newsletter")
    reading = story.reading
    console.print(
        f"Readers: {reading.opened} opened, {reading.clicked} clicked, {reading.unsubscribed} unsubscribed by one click"
    )
    sent, told = _reports(stage, story)
    console.print(f"Late bounces: {sent} came back by SMTP, {told} are told as events")
    if not sent:
        story.faults.append("no late bounce came back")
    if reading.failed:
        story.faults.append(f"{reading.failed} requests of readers failed: {reading.faults}")
    _show_one(stage, story, console)
    console.print(f"Metrics: http://127.0.0.1:{stage.metrics_port}/metrics (while the engine runs)")


def _show_one(stage: Stage, story: Story, console: Console) -> None:
    """Tell one message's way, and ask an independent verifier about its signatures."""
    captured = next((one for one in stage.capture.messages if b"List-Unsubscribe:" in one.data), None)
    if captured is None:
        story.faults.append("no newsletter arrived")
        return
    rcpt = captured.recipients[0]
    events = [
        one for one in Archive(stage.state / "archive").events(tenant=TENANT, rcpt=rcpt)
        if one.get("campaign") == NEWSLETTER
    ]  # fmt: skip
    console.print(f"\nThe way of one message, to {rcpt}:")
    console.print(f"  submitted   XADD {stage.keys.submit_stream('bulk')} (docs/protocol.md)")
    for one in sorted(events, key=lambda event: int(event["ts"])):
        shown = ("mx", "tls", "reply", "attempts", "delay_ms", "url")
        words = [f"{name}={one[name]}" for name in shown if one.get(name)]
        console.print(f"  {one['event']:<11} {' '.join(words)}", markup=False)
    console.print(f"  return path {captured.sender}", markup=False)
    verifier = dkim.DKIM(captured.data)
    signatures = [value for name, value in verifier.headers if name.lower() == b"dkim-signature"]
    for number, value in enumerate(signatures):
        good = verifier.verify(idx=number, dnsfunc=lambda name, timeout=5: stage.txt_record(name))
        algorithm = value.partition(b"a=")[2].partition(b";")[0].decode()
        console.print(f"  DKIM        {algorithm}: {'pass' if good else 'FAIL'} (dkimpy)")
        if not good:
            story.faults.append(f"the {algorithm} signature does not verify")
    if len(signatures) != 2:
        story.faults.append(f"{len(signatures)} signatures instead of 2")
