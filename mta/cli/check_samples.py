"""A campaign as some of its people would get it: rendered and signed by the same code as in earnest."""

from dataclasses import dataclass, field

from mta.dkim.key import Signer
from mta.dkim.sign import sign_all
from mta.ingest.rows import Row
from mta.mime import preflight
from mta.mime.compiled import Compiled
from mta.mime.document import ContentError, Document, Person, Urls
from mta.mime.finding import Finding, finding
from mta.tracking import links, unsubscribe

TOKEN = "a" * 45  # as long as a real one
DATE = "Wed, 01 Jan 2025 00:00:00 +0000"  # as long as any


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the content of every message: host names, keys, list headers."""

    base: str
    return_domain: str
    list_id: str
    feedback_id: str
    signers: list[Signer]
    unsubscribe: bool
    sender: str


@dataclass(slots=True)
class Look:
    """What was found over all samples, and the largest message and page among them, in octets."""

    findings: list[Finding] = field(default_factory=list)
    message: int = 0
    page: int = 0
    samples: int = 0

    def at(self, row: Row, document: Document, compiled: Compiled, frame: Frame) -> None:
        """Look at one recipient's message."""
        person = Person(str(row.address), row.name, row.values)
        urls = _urls(document, compiled, frame, track=row.track)
        plain = Urls(unsubscribe=urls.unsubscribe, view=urls.view)
        self.samples += 1
        try:
            html, tracked = compiled.html(person, plain), compiled.html(person, urls)
            data = _message(person, urls, compiled, frame)
        except ContentError as error:
            told = finding("row-refused", "rows", count=1, of=1, row=row.number + 1, why=error)
            self.findings.append(told)
            return
        if html is not None:
            cids = [one.cid for one in document.attachments if one.cid is not None]
            self.findings += preflight.page(html, cids)
        octets = len((tracked or "").encode())
        self.findings += preflight.message(data, octets)
        self.message, self.page = max(self.message, len(data)), max(self.page, octets)


def _urls(document: Document, compiled: Compiled, frame: Frame, *, track: bool) -> Urls:
    return Urls(
        open=links.open_url(frame.base, TOKEN) if track and document.track_opens else "",
        click=links.click_prefix(frame.base, TOKEN)
        if track and document.track_clicks and compiled.links
        else "",
        unsubscribe=links.unsubscribe_url(frame.base, TOKEN) if frame.unsubscribe else "",
        view=links.view_url(frame.base, TOKEN),
    )


def _message(person: Person, urls: Urls, compiled: Compiled, frame: Frame) -> bytes:
    extra: list[bytes] = []
    if frame.unsubscribe:
        leave = f"leave+{TOKEN}@{frame.return_domain}"
        extra = unsubscribe.headers(urls.unsubscribe, leave, frame.list_id, feedback_id=frame.feedback_id)
    rendered = compiled.render(person, urls, DATE, f"{TOKEN}@{frame.sender}", extra)
    signatures = sign_all(rendered.fields, rendered.body_hash, frame.signers, 1, None)
    return b"".join([*signatures, *rendered.fields, b"\r\n", *rendered.body])
