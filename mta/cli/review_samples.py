"""Samples of a campaign that waits: made by the code that makes every message, for people who are in the queue.

Links, beacons and return paths carry tokens of a key that is thrown away: they look like the real ones, and to open or
follow one is nobody's click and nobody's unsubscribe.
"""

import secrets
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import formatdate

from mta.cli.door import Door
from mta.daemon import assemble
from mta.dkim.key import KeyFault
from mta.mime import preflight
from mta.mime.compiled import Compiled
from mta.mime.document import ContentError, Person, Urls
from mta.mime.finding import Finding, finding
from mta.queue.campaigns import Campaigns
from mta.queue.codec import Item
from mta.queue.lanes import Queue
from mta.queue.sampling import Sampling
from mta.tracking.token import Keys as TokenKeys
from mta.workers import prepare
from mta.workers.contents import Content, Contents
from mta.workers.keyring import Keyring


@dataclass(slots=True)
class Sample:
    """One person's message: the envelope recipient, the bytes, and what a reader's program sees in them."""

    name: str
    rcpt: str
    raw: bytes
    headers: list[tuple[str, str]]
    text: str
    html: str

    @property
    def subject(self) -> str:
        """The subject line, decoded."""
        return next((value for name, value in self.headers if name.lower() == "subject"), "")


@dataclass(slots=True)
class Samples:
    """Messages, and what would hurt in them; `unsigned` says why they carry no signature."""

    messages: list[Sample] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unsigned: str = ""


async def samples(opened: Door, tenant: str, campaign: str, most: int, seed: int, *, bulk: bool) -> Samples:
    """Return a campaign as up to `most` of those who wait for it would get it; the same seed, the same people."""
    out = Samples()
    people = await Sampling(opened.client, opened.keys).people(tenant, campaign, most, seed)
    if not people:
        return out
    settings = opened.settings
    contents = Contents(
        Campaigns(opened.client, opened.keys), Queue(opened.client, opened.keys), Keyring(settings.dkim_keys),
        assemble.hosts(settings), time.monotonic,
    )  # fmt: skip
    try:
        content = await contents.load(people[0])
    except (KeyFault, OSError) as error:
        out.unsigned = f"the DKIM keys can't be read here: {error}"
        contents.keyring = Keyring(settings.paths.root / "none")
        content = await contents.load(people[0])
    if not content.signers and not out.unsigned:
        out.unsigned = f"there is no DKIM key of {content.mailing.from_domain} in {settings.dkim_keys}"
    tokens = TokenKeys(0, {0: secrets.token_bytes(32)})
    assert content.mailing.document is not None
    out.findings += preflight.document(content.mailing.document, bulk=bulk)
    expire = int(settings.dkim.expire) or None
    for item in people:
        now = int(time.time())
        try:
            made = prepare.message(item, content, tokens, now, formatdate(now), expire)
        except ContentError as error:
            out.findings.append(
                finding("row-refused", "rows", count=1, of=1, row=item.record.name, why=error)
            )
            continue
        raw = b"".join(made.parts)
        sample = _read(item, raw)
        out.messages.append(sample)
        out.findings += _look(item, content, raw, sample)
    out.findings = preflight.gathered(out.findings)
    return out


def _look(item: Item, content: Content, raw: bytes, sample: Sample) -> list[Finding]:
    document, compiled = content.mailing.document, content.compiled
    found = preflight.message(raw, len(sample.html.encode()))
    if document is not None and isinstance(compiled, Compiled) and sample.html:
        # As its writer meant it: before beacon and rewritten links.
        person = Person(item.record.rcpt, item.record.to_name, item.record.values)
        link = f"{content.base_url}/u"
        page = compiled.html(person, Urls(unsubscribe=link, view=link)) or ""
        found += preflight.page(page, [one.cid for one in document.attachments if one.cid is not None])
    return found


def _read(item: Item, raw: bytes) -> Sample:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return Sample(
        item.record.name,
        item.record.rcpt,
        raw,
        [(name, str(value)) for name, value in message.items()],
        _part(message, "plain"),
        _part(message, "html"),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
