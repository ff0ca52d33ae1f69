"""`mta campaign submit`: a document and a file of people into the queue, as fast as the engine takes them."""

import asyncio
import hashlib
import io
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from mta.cli import documents, show
from mta.cli.answers import ANSWER_SECONDS, Answers, refusal
from mta.cli.door import awaited, door
from mta.cli.failure import DATA, NO_INPUT, UNAVAILABLE, USAGE, Failure
from mta.cli.options import CLASSES, config_option, json_option, tenant_option
from mta.cli.people import MAX_BATCH, batches, key_of

if TYPE_CHECKING:
    from mta.cli.door import Door

FILE = click.Path(path_type=Path)
LOOK_AGAIN = 0.2  # seconds between looks while the engine accepts nothing
SILENT_SECONDS = 60.0  # without one answer: the engine is gone


@dataclass(slots=True)
class Sum:
    """What went out and what came back."""

    people: int = 0
    entries: int = 0
    accepted: int = 0
    refused: int = 0


@click.command("submit")
@config_option
@click.option(
    "--file", required=True, type=FILE, metavar="FILE", help="The campaign, JSON (docs/protocol.md 4)."
)
@click.option(
    "--recipients",
    required=True,
    type=FILE,
    metavar="FILE",
    help="CSV in UTF-8: first line the columns, `email` among them; - reads standard input.",
)
@click.option("--class", "cls", type=click.Choice(CLASSES), default="bulk")
@tenant_option
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), default=MAX_BATCH, help="People in one entry.")
@click.option(
    "--follow", "followed", is_flag=True, help="Show the progress until everybody has a final event."
)
@json_option
@awaited
async def campaign_submit(
    config: Path | None, file: Path, recipients: Path, cls: str, tenant: str | None, batch: int,
    followed: bool, as_json: bool,
) -> None:  # fmt: skip
    """Submit a campaign and its recipients.

    The command may be run again after an error: within 24 hours, what was accepted is not accepted twice, as long
    as the files and --batch stay the same.

    \b
    Example:
      mta campaign submit --file campaign.json --recipients people.csv --follow
    """
    document = documents.read(file)
    name = document.get("id")
    if not isinstance(name, str) or not name:
        raise Failure(DATA, f"{file}: `id` is missing; it names the campaign")
    tenant = documents.tenant_of(tenant, document)
    if str(recipients) != "-" and not recipients.is_file():
        raise Failure(
            USAGE if recipients.exists() else NO_INPUT, f"{recipients}: is not a file that can be read"
        )
    async with door(config) as opened:
        submission = Submission(opened, await Answers.listen(opened, tenant), name, cls)
        await submission.define(await documents.fitted(opened.producer, document))
        with _opened(recipients) as text:
            for one in batches(text, name, batch, str(recipients)):
                await submission.add(key_of(name, str(one.number)), one.data, one.rows, last=one.last)
        await submission.finish(as_json=as_json)
        if followed and submission.answered:
            from mta.cli.follow import follow

            await follow(opened, tenant, name, submission.sum.accepted, as_json=as_json)


def _opened(path: Path) -> AbstractContextManager[TextIO]:
    if str(path) == "-":
        return nullcontext(io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


class Submission:
    """One campaign on its way in."""

    def __init__(self, opened: "Door", answers: Answers, campaign: str, cls: str) -> None:
        self.opened = opened
        self.answers = answers
        self.campaign = campaign
        self.cls = cls
        self.sum = Sum()
        self.answered = True  # an engine answers; without one entries wait in the queue
        self._producer = opened.producer
        self._open: set[str] = set()  # keys of entries without an answer

    async def define(self, data: bytes) -> None:
        """Submit the campaign itself and wait for its answer: a bad template is known before anybody is sent."""
        digest = hashlib.blake2b(data, digest_size=6).hexdigest()
        key = key_of(self.campaign, f"c{digest}")
        await self._room()
        await self._producer.submit(self.cls, "campaign", self.answers.tenant, key, data)
        try:
            await self.answers.of(key, ANSWER_SECONDS)
        except Failure as failure:
            if failure.code != UNAVAILABLE:
                raise
            show.note(failure.line)
            self.answered = False

    async def add(self, key: str, data: bytes, rows: int, *, last: bool) -> None:
        """Submit one batch; the last one only when all before it are accepted, since it closes the campaign."""
        if last and self.answered:
            await self._settled()
        await self._room()
        await self._producer.submit(self.cls, "recipients", self.answers.tenant, key, data)
        self._open.add(key)
        self.sum.people += rows
        self.sum.entries += 1
        self._hear(await self.answers.read())

    async def finish(self, *, as_json: bool) -> None:
        """Wait for the answers that are still out and say what came of it."""
        from mta.cli.follow import gate

        if self.answered:
            await self._settled()
        for row in self.answers.refused_rows:
            show.note(show.plain(f"entry {row.get('key')} row {row.get('row')}: {row.get('why')}"))
        if self.sum.refused > len(self.answers.refused_rows):
            show.note(
                f"{self.sum.refused - len(self.answers.refused_rows)} more rows are refused: see `mta events tail`"
            )
        closed = await gate(self.opened, self.answers.tenant, self.campaign)
        if as_json:
            said = {"tenant": self.answers.tenant, "campaign": self.campaign, "gate": closed}
            counts = {name: getattr(self.sum, name) for name in Sum.__slots__}
            show.json_line(said | counts | {"answered": self.answered})
            return
        known = f": {self.sum.accepted:,} accepted, {self.sum.refused:,} refused" if self.answered else ""
        click.echo(f"submitted {self.sum.people:,} people in {self.sum.entries:,} entries{known}")
        if closed:
            show.note(
                f"nothing is sent yet: {closed}; see `mta campaign review show` and `mta campaign resume`"
            )

    async def _room(self) -> None:
        told = ""
        while why := await self._producer.hindrance(self.cls):
            if not told:
                show.note(f"waiting: {why}")
                told = why
            self._hear(await self.answers.read())
            await asyncio.sleep(LOOK_AGAIN)

    async def _settled(self) -> None:
        since = time.monotonic()
        while waiting := len(self._open):
            self._hear(await self.answers.read(500))
            if len(self._open) != waiting:
                since = time.monotonic()
            elif time.monotonic() - since > SILENT_SECONDS:
                raise Failure(
                    UNAVAILABLE,
                    f"{waiting} entries got no answer within {SILENT_SECONDS:g} s; they stay in the queue:"
                    " run the same command again when the engine is back",
                )

    def _hear(self, events: list[dict[str, str]]) -> None:
        for event in events:
            key = event.get("key", "")
            if key not in self._open or event["event"] not in ("accepted", "rejected") or "row" in event:
                continue
            self._open.remove(key)
            if event["event"] == "rejected":
                failure = refusal(event)
                raise Failure(
                    failure.code, f"entry {key} is {failure.line}; correct it and run the command again"
                )
            self.sum.accepted += int(event.get("count", 0))
            self.sum.refused += int(event.get("refused", 0))
