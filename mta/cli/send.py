"""`mta send`: one mail from the command line, and what became of it."""

import base64
import mimetypes
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mta.cli import documents, show
from mta.cli.answers import ANSWER_SECONDS, Answers, fresh_key, refusal, silence
from mta.cli.door import awaited, door
from mta.cli.failure import TEMPORARY, UNAVAILABLE, USAGE, Failure
from mta.cli.options import config_option, json_option, tenant_option

if TYPE_CHECKING:
    from mta.cli.door import Door

FILE = click.Path(path_type=Path)


@click.command()
@config_option
@click.option("--from", "sender", required=True, metavar="MAILBOX", help="`user@host` or `Name <user@host>`.")
@click.option("--to", multiple=True, required=True, metavar="MAILBOX", help="May be given again.")
@click.option("--cc", multiple=True, metavar="MAILBOX")
@click.option("--bcc", multiple=True, metavar="MAILBOX")
@click.option("--subject", default="", metavar="TEXT")
@click.option("--text", metavar="TEXT")
@click.option("--text-file", type=FILE, metavar="FILE")
@click.option("--html-file", type=FILE, metavar="FILE")
@click.option("--attach", multiple=True, type=FILE, metavar="FILE", help="May be given again.")
@click.option("--class", "cls", type=click.Choice(["transactional", "urgent"]), default="transactional")
@tenant_option
@click.option(
    "--key", metavar="KEY", help="Idempotency key: the same one sends once in 24 h; default: a new one."
)
@click.option("--ref", default="", metavar="TEXT", help="Your own id, echoed in every event.")
@click.option(
    "--wait", is_flag=True, help="Follow it until it is final; exit code 1 unless all are delivered."
)
@click.option("--timeout", type=click.FloatRange(0.1), default=300.0, help="Seconds to wait for the end.")
@json_option
@awaited
async def send(
    config: Path | None, sender: str, to: tuple[str, ...], cc: tuple[str, ...], bcc: tuple[str, ...],
    subject: str, text: str | None, text_file: Path | None, html_file: Path | None,
    attach: tuple[Path, ...], cls: str, tenant: str | None, key: str | None, ref: str,
    wait: bool, timeout: float, as_json: bool,
) -> None:  # fmt: skip
    """Send one mail.

    \b
    Example:
      mta send --from me@acme.example --to jo@example.net --subject Hello --text Hi --wait
    """
    if text is not None and text_file is not None:
        raise Failure(USAGE, "--text and --text-file exclude each other")
    document: dict[str, Any] = {"from": sender, "to": list(to), "subject": subject}
    document |= {name: list(rows) for name, rows in (("cc", cc), ("bcc", bcc)) if rows}
    if ref:
        document["ref"] = ref
    if text_file is not None:
        text = documents.read_text(text_file)
    if html_file is not None:
        document["html"] = documents.read_text(html_file)
    if text is not None or html_file is None:
        document["text"] = text or ""
    if attach:
        document["attachments"] = [_attachment(path) for path in attach]
    tenant, key = documents.tenant_of(tenant, document), key or fresh_key("send")
    async with door(config) as opened:
        producer = opened.producer
        if why := await producer.hindrance(cls):
            raise Failure(TEMPORARY, f"not submitted: {why}")
        answers = await Answers.listen(opened, tenant)
        data = await documents.fitted(producer, document)
        await producer.submit(cls, "message", tenant, key, data)
        if wait:
            await _follow(opened, answers, key, timeout, as_json)
        elif as_json:
            show.json_line({"tenant": tenant, "key": key, "class": cls})
        else:
            click.echo(f"submitted with key {key}")


def _attachment(path: Path) -> dict[str, str]:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith(("multipart/", "message/")):
        kind = "application/octet-stream"  # the protocol takes no messages in messages
    data = base64.b64encode(documents.read_bytes(path)).decode()
    return {"name": path.name, "type": kind, "data": data}


async def _follow(opened: "Door", answers: Answers, key: str, seconds: float, as_json: bool) -> None:
    from mta.event import FINAL
    from mta.identity import message_id

    stem = message_id(answers.tenant, key)
    ends, first = time.monotonic() + seconds, time.monotonic() + min(seconds, ANSWER_SECONDS)
    finals: dict[str, str] = {}
    count = -1
    while count < 0 or len(finals) < count:
        left = ends - time.monotonic()
        if count < 0 and time.monotonic() > first:
            raise Failure(UNAVAILABLE, await silence(opened, min(seconds, ANSWER_SECONDS)))
        if left <= 0:
            raise Failure(
                TEMPORARY, f"not final after {seconds:g} s; the engine goes on: see `mta events tail`"
            )
        for event in await answers.read(max(1, min(1000, int(left * 1000)))):
            if event.get("key") != key and event.get("id", "").rpartition(".")[0] != stem:
                continue
            if event["event"] == "rejected":
                raise refusal(event)
            if event["event"] == "accepted":
                count = int(event.get("count", 0))
                if "repeat" in event:
                    show.note(f"key {key} was submitted before; nothing was sent again")
                    return
            elif event["event"] in FINAL and "async" not in event:
                finals[event["id"]] = event["event"]
            if as_json:
                show.json_line(event)
            else:
                click.echo(_line(event))
    if any(kind != "delivered" for kind in finals.values()):
        raise Failure(1, "not all are delivered")


def _line(event: dict[str, str]) -> str:
    if event["event"] == "accepted":
        return f"accepted   {event.get('count', '0')} recipient(s)"
    told = event.get("reply") or event.get("reason") or event.get("why") or ""
    said = " ".join(part for part in (event.get("code", ""), event.get("mx", ""), told) if part)
    return show.plain(f"{event['event']:10} {event.get('rcpt', '')}  {said}".rstrip())
