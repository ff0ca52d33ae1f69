"""`mta reports`: returned mail that is kept for a person, looked at, read again, or thrown away.

Files of this machine: no engine needs to run. One that runs picks up what is to be read again within seconds.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.failure import DATA, NO_INPUT, USAGE, Failure
from mta.cli.options import config_option, json_option, settings_of

if TYPE_CHECKING:
    from mta.bounce.report import Report
    from mta.inbound.spool import Envelope, Spool

FOLDERS = ("unparsed", "unsigned", "postmaster")
COLUMNS = ("id", "folder", "came", "from", "to", "bytes", "why")
MAX_SHOWN = 8000  # characters of a mail on a terminal

_folder = click.option("--folder", type=click.Choice(FOLDERS), help="Of this folder alone.")
_every = click.option("--all", "every", is_flag=True, help="Of every one (of --folder).")
_names = click.argument("ids", nargs=-1, metavar="[ID]...")


@click.group()
def reports() -> None:
    """Look after returned mail that the engine could not use.

    `unparsed`: nobody could read it. `unsigned`: its return path was forged, mangled or too old. `postmaster`: mail for
    a person, and reports on mail that is not ours.

    \b
    Example:
      mta reports list
    """


@reports.command("list")
@config_option
@_folder
@json_option
def list_reports(config: Path | None, folder: str | None, as_json: bool) -> None:
    """List what is kept, oldest first.

    \b
    Example:
      mta reports list --folder unparsed
    """
    spool = _spool(config)
    rows = [_row(spool, path) for path in _paths(spool, folder)]
    if as_json:
        show.as_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
        return
    show.table("reports", COLUMNS, [(*row[:2], show.time_of(int(str(row[2]))), *row[3:]) for row in rows])


@reports.command("show")
@config_option
@click.argument("id_", metavar="ID")
@click.option("--raw", is_flag=True, help="The mail's own octets and nothing else.")
@json_option
def show_report(config: Path | None, id_: str, raw: bool, as_json: bool) -> None:
    """Show a mail, how it came, why it is kept, and what the reader makes of it now.

    \b
    Example:
      mta reports show 001779840007500-52484867925c
    """
    spool = _spool(config)
    (path,) = _chosen(spool, (id_,), None, every=False)
    envelope, mail = _read(spool, path)
    if raw:
        click.echo(mail, nl=False)
        return
    found = asyncio.run(_reading(mail))
    if as_json:
        import msgspec

        told = msgspec.to_builtins({"id": path.stem, "folder": path.parent.name, "envelope": envelope})
        show.as_json(told | {"reports": msgspec.to_builtins(found), "mail": mail.decode("latin-1")})
        return
    rows: list[tuple[str, object]] = [("folder", path.parent.name)]
    if envelope is not None:
        rows += [
            ("came", show.time_of(envelope.ts)), ("from", envelope.sender), ("to", ", ".join(envelope.recipients)),
            ("client", f"{envelope.helo} [{envelope.ip}]"), ("why", envelope.why),
        ]  # fmt: skip
    for report in found if isinstance(found, list) else []:
        words = (report.kind, report.recipient, report.status, report.cls, report.wording[:200])
        rows.append(("read as", " ".join(word for word in words if word)))
    if isinstance(found, str):
        rows.append(("read as", found))
    show.table(path.stem, ("", "value"), rows)
    text = mail.decode("utf-8", "replace")
    click.echo("\n".join(show.plain(line) for line in text[:MAX_SHOWN].replace("\r", "").split("\n")))
    if len(text) > MAX_SHOWN:
        show.note(f"{len(text) - MAX_SHOWN:,} characters more; --raw writes all of it")


@reports.command("retry")
@config_option
@_names
@_folder
@_every
@json_option
def retry(config: Path | None, ids: tuple[str, ...], folder: str | None, every: bool, as_json: bool) -> None:
    """Have mails read once more, after an update that can read them.

    \b
    Example:
      mta reports retry --all --folder unparsed
    """
    spool = _spool(config)
    spool.prepare()
    paths = _chosen(spool, ids, folder, every=every)
    for path in paths:
        spool.again(path)
    _said(len(paths), "to be read again", as_json)


@reports.command("drop")
@config_option
@_names
@_folder
@_every
@json_option
def drop(config: Path | None, ids: tuple[str, ...], folder: str | None, every: bool, as_json: bool) -> None:
    """Throw mails away for good.

    \b
    Example:
      mta reports drop --all --folder unsigned
    """
    spool = _spool(config)
    paths = _chosen(spool, ids, folder, every=every)
    for path in paths:
        spool.done(path)
    _said(len(paths), "thrown away", as_json)


def _spool(config: Path | None) -> "Spool":
    from mta.inbound.spool import Spool

    settings = settings_of(config)
    return Spool(settings.paths.spool / "reports", settings.inbound.keep_unparsed)


def _paths(spool: "Spool", folder: str | None) -> list[Path]:
    found = [path for name in ((folder,) if folder else FOLDERS) for path in spool.kept(name)]
    return sorted(found, key=lambda path: path.name)


def _chosen(spool: "Spool", ids: tuple[str, ...], folder: str | None, *, every: bool) -> list[Path]:
    if every is bool(ids):
        raise Failure(USAGE, "name mails by their ids, or say --all")
    known = {path.stem: path for path in _paths(spool, folder)}
    if every:
        return list(known.values())
    for id_ in ids:
        if id_ not in known:
            raise Failure(NO_INPUT, f"no mail {show.plain(id_)} is kept; `mta reports list` shows what is")
    return [known[id_] for id_ in dict.fromkeys(ids)]


def _row(spool: "Spool", path: Path) -> tuple[object, ...]:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            envelope = spool.envelope(file.readline())
    except ValueError:
        return (path.stem, path.parent.name, 0, "", "", size, "not written by the engine")
    to = ", ".join(envelope.recipients)
    return (path.stem, path.parent.name, envelope.ts, envelope.sender, to, size, envelope.why)


def _read(spool: "Spool", path: Path) -> "tuple[Envelope | None, bytes]":
    try:
        found = spool.read(path)
    except ValueError:
        return None, path.read_bytes()
    except OSError as error:
        raise Failure(DATA, f"{path} can't be read: {error.strerror}") from error
    return found.envelope, found.raw


async def _reading(mail: bytes) -> "list[Report] | str":
    from mta.inbound.reader import Reader, Unreadable

    reader = Reader()
    try:
        return await reader.read(mail)
    except Unreadable as error:
        return str(error)
    finally:
        await reader.close()


def _said(count: int, what: str, as_json: bool) -> None:
    if as_json:
        show.json_line({"count": count})
    else:
        click.echo(f"{count:,} {'mail' if count == 1 else 'mails'} {what}")
