"""What `mta campaign check` reads: campaign, people, tenant and keys, judged by the engine's own checks."""

import asyncio
import hashlib
import io
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from mta.cli import documents
from mta.cli.failure import DATA, Failure
from mta.cli.people import MAX_BATCH, batches
from mta.dkim.key import KeyFault, Signer, load
from mta.ingest import blobs, convert, entry, rows
from mta.ingest.checked import Campaign, Checked, Recipients
from mta.ingest.codes import Refused
from mta.ingest.entry import Submission
from mta.ingest.rows import Row
from mta.mime import preflight
from mta.mime.compiled import Compiled
from mta.mime.document import Document
from mta.mime.finding import Finding, finding
from mta.tenancy import Profile

if TYPE_CHECKING:
    from mta.queue.producer import Producer

MAX_KEY_FILE = 64 << 10


@dataclass(slots=True)
class People:
    """What the recipients' file says: whom to render for, how many there are, what is wrong with them."""

    rows: list[Row]
    total: int = 0
    findings: list[Finding] = field(default_factory=list)


class _Aside:
    """Keeps blobs where submitting would put them into Redis."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def blob(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.kept[name] = data
        return name


def campaign(file: Path, written: dict[str, Any], cls: str, tenant: str) -> tuple[Campaign, Document]:
    """Return the campaign as the engine would take it; raise Failure with its words where it would not."""
    aside = _Aside()
    data = asyncio.run(documents.fitted(cast("Producer", aside), written))
    checked = _checked(str(file), "campaign", data, cls, tenant)
    assert isinstance(checked, Campaign)
    try:
        checked = blobs.fill(checked, aside.kept)
    except Refused as refused:
        raise Failure(DATA, f"{file}: {refused.why}") from refused
    document = convert.mailing_of_campaign(tenant, checked).document
    assert document is not None
    return checked, document


def people(file: Path, campaign: str, compiled: Compiled, tenant: str, cls: str, samples: int) -> People:
    """Return the first people of a CSV file to try out, and what is wrong with any of them; raise Failure."""
    found = People([])
    refused, first, empty = 0, "", dict[str, int]()
    for columns, accepted, bad in _rows(file, campaign, compiled, tenant, cls):
        if not found.total and (missing := preflight.fields(compiled.fields, columns)):
            found.findings = missing
            return found
        for one in bad:
            first = first or f"{found.total + one.number + 1}|{one.why}"
        for row in accepted:
            values = dict(zip((field.name for field in compiled.fields), row.values, strict=True))
            for name in preflight.empty_fields(values, compiled.fields):
                empty[name] = empty.get(name, 0) + 1
        refused += len(bad)
        found.total += len(accepted) + len(bad)
        found.rows += accepted[: samples - len(found.rows)]
    if refused:
        number, _, why = first.partition("|")
        found.findings.append(
            finding("row-refused", "rows", count=refused, of=found.total, row=number, why=why)
        )
    for name, count in empty.items():
        found.findings.append(finding("field-empty", "rows", name=name, count=count, of=found.total))
    return found


def _rows(
    file: Path, campaign: str, compiled: Compiled, tenant: str, cls: str
) -> Iterator[tuple[tuple[str, ...], list[Row], list[rows.BadRow]]]:
    with _opened(file) as text:
        for batch in batches(text, campaign, MAX_BATCH, str(file)):
            head = _checked(str(file), "recipients", batch.data, cls, tenant)
            assert isinstance(head, Recipients)
            yield head.columns, *rows.rows(head, compiled.fields, compiled.header_fields)


def stand_in(document: Document, compiled: Compiled) -> Row:
    """Return somebody to render for where no people are given."""
    from mta.address import parse

    made = preflight.stand_ins(document, compiled.fields)
    values = [made[field.name] for field in compiled.fields]
    return Row(0, parse("jo@example.com"), values, "", "", "", "", True, None)


def profile(file: Path | None, tenant: str) -> Profile:
    """Return the tenant in a file as the engine would take it, a free one without a file; raise Failure."""
    if file is None:
        return Profile(tenant)
    written = documents.read(file)
    owner = str(written.get("id") or tenant)
    checked = _checked(str(file), "tenant", documents.encode(written), "control", owner)
    assert isinstance(checked, Profile)
    return checked


def signers(directory: Path, tenant: Profile, domain: str) -> tuple[list[Signer], list[Finding]]:
    """Return the keys that a worker would sign with, and what is wrong with those it could not use."""
    named = [(domain, "")]
    if tenant.dkim:
        named = [(name, key) for name, key in tenant.dkim if f".{domain}".endswith(f".{name}")]
    found: list[Signer] = []
    faults: list[Finding] = []
    for name, selector in named:
        folder = directory / name
        for path in [folder / f"{selector}.pem"] if selector else sorted(folder.glob("*.pem")):
            try:
                with path.open("rb") as opened:
                    found.append(load(name, path.stem, opened.read(MAX_KEY_FILE)))
            except KeyFault as fault:
                faults.append(finding("dkim-unusable", "from", why=fault))
            except OSError as error:
                faults.append(finding("dkim-unusable", "from", why=f"{path}: {error.strerror}"))
    return found, faults


def _checked(file: str, kind: str, data: bytes, label: str, tenant: str) -> Checked:
    fields = {b"v": b"1", b"kind": kind.encode(), b"tenant": tenant.encode(), b"key": b"check", b"data": data}
    told = entry.read(fields, label)
    if not isinstance(told, Submission):
        raise Failure(DATA, f"{file}: the engine would refuse it ({told.code}): {told.why}")
    return told.document


def _opened(path: Path) -> AbstractContextManager[TextIO]:
    if str(path) == "-":
        return nullcontext(io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")
