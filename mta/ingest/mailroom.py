"""Accept mail: campaigns, recipients and single messages, from checked submission to the lanes.

Every step may be repeated after a crash: a put is remembered per chunk, a definition per digest, and the chunks of
an entry are cut by row number alone, so a second run cuts them the same way.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field

from mta.identity import entry_stem
from mta.ingest import convert
from mta.ingest.admission import Admission
from mta.ingest.blobs import digests, fill
from mta.ingest.checked import Campaign, Message, Recipients
from mta.ingest.codes import (
    BAD_TEMPLATE,
    CAMPAIGN_CLOSED,
    CAMPAIGN_CONFLICT,
    KIND,
    NOT_ALLOWED,
    UNKNOWN_TENANT,
    Refused,
)
from mta.ingest.entry import MAIL, Submission
from mta.ingest.foresight import Foresight
from mta.ingest.putter import FEW, Putter, chunks
from mta.ingest.rows import rows
from mta.ingest.rows import values as values_of
from mta.ingest.sorter import Mailing
from mta.ingest.vanguard import Entry, Vanguard
from mta.message import Class
from mta.mime import mailing as mailings
from mta.mime.compile import compile as compile_document
from mta.mime.compiled import Compiled
from mta.mime.document import ContentError
from mta.mime.raw import prepare as prepare_raw
from mta.queue import campaigns as registry
from mta.queue.campaigns import Campaigns
from mta.queue.canaries import Canaries
from mta.queue.control import Control, Scope
from mta.queue.intake import Intake, Opened, stream_order
from mta.queue.lanes import MOST
from mta.queue.notifybook import NotifyBook
from mta.queue.profiles import Profiles
from mta.queue.review import Review
from mta.queue.terms import Terms, TermsBook
from mta.tenancy import Profile

COMPILED_KEPT = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """The engine's own answers where a document leaves something open."""

    open_tenants: bool = True
    lifetimes_ms: tuple[int, int, int] = (4 * 86_400_000, 4 * 86_400_000, 4 * 86_400_000)  # by class
    review_first: int = 0  # campaigns of a new tenant that somebody has to release


@dataclass(slots=True)
class Accepted:
    """The totals of an entry."""

    count: int = 0
    refused: int = 0


class NotYet(Exception):
    """The entry names a campaign that has not come: it may come yet."""


@dataclass
class Mailroom:
    """What accepts mail, and the doors it needs."""

    intake: Intake
    campaigns: Campaigns
    putter: Putter
    control: Control
    terms: TermsBook
    rules: Rules = Rules()
    profiles: Profiles = field(init=False)
    notify: NotifyBook = field(init=False)
    _compiled: dict[bytes, Compiled] = field(default_factory=dict)
    _read: dict[bytes, Campaign] = field(default_factory=dict)

    def __post_init__(self) -> None:
        client, keys = self.campaigns.client, self.campaigns.keys
        self.profiles = Profiles(self.campaigns)
        self.admission = Admission(Review(client, keys), self.rules.review_first)
        self.vanguard = Vanguard(self.putter, Canaries(client, keys))
        self.notify = NotifyBook(self.campaigns.client, self.campaigns.keys)

    def foresee(
        self, submission: Submission
    ) -> tuple[Awaitable[Profile | None], Awaitable[list[str] | None], Awaitable[Compiled | None]]:
        """Return the members of a `Foresight` as what is to be awaited beside the opening of the entry."""
        document = submission.document
        if submission.cls is None:
            return _nothing(), _nothing(), _nothing()
        profile = self.profiles.find(submission.tenant)
        if not isinstance(document, Message):
            return profile, _nothing(), _nothing()
        addresses = [str(address) for address in document.recipients]
        suppressed = self.putter.sorter.suppressed(submission.tenant, "", addresses, submission.cls)
        return profile, suppressed, self._compiled_ahead(submission.tenant, document)

    async def _compiled_ahead(self, tenant: str, message: Message) -> Compiled | None:
        if digests(message):
            return None
        mailing = convert.mailing_of_message(tenant, message)
        try:
            return compile_document(mailing.document) if mailing.document is not None else None
        except ContentError:
            return None  # `accept` says so when the entry is open

    async def accept(
        self, submission: Submission, opened: Opened, digest: bytes, entry_id: str, foresight: Foresight
    ) -> Accepted:
        """Carry a submission out; raise Refused, NotYet, QueueFull or QueueDown. May be repeated.

        `entry_id` is the stream's: when the entry came, and before which others.
        """
        born = stream_order(entry_id)[0]
        profile = foresight.profile
        if profile is None and not self.rules.open_tenants:
            raise Refused(
                UNKNOWN_TENANT,
                f"`tenant` {submission.tenant} is not known here; submit its `tenant` document first",
            )
        profile = profile or Profile(submission.tenant)
        assert submission.cls is not None
        if profile.classes and submission.cls.label not in profile.classes:
            classes = ", ".join(profile.classes)
            why = f"tenant {profile.id} may not send {submission.cls.label} mail; its classes are {classes}"
            raise Refused(NOT_ALLOWED, why)
        match submission.document:
            case Campaign() as campaign:
                return await self._campaign(submission, profile, campaign, digest, born)
            case Recipients() as people:
                return await self._recipients(submission, people, opened, entry_id)
            case Message() as message:
                return await self._message(submission, profile, message, opened, born, foresight)
        raise Refused(KIND, f"`kind` {submission.kind} does not belong on a mail stream")

    # campaigns

    async def _campaign(
        self, submission: Submission, profile: Profile, campaign: Campaign, digest: bytes, born: int
    ) -> Accepted:
        campaign = fill(campaign, await self._blobs(campaign))
        _check_rights(profile, campaign.content.sender.address.domain, campaign.pool)
        mailing = convert.mailing_of_campaign(submission.tenant, campaign)
        assert mailing.document is not None
        self._compile(mailings.encode(mailing), mailing)
        assert submission.cls is not None
        known = registry.Campaign(
            tenant=submission.tenant,
            id=campaign.id,
            cls=submission.cls,
            document=submission.data,
            mailing=mailings.encode(mailing),
            digest=digest,
            created=born,
            started=False,
            window=campaign.window,
        )
        conflict = Refused(
            CAMPAIGN_CONFLICT,
            f"`id` {campaign.id} is a campaign with other content that already has recipients; choose another id",
        )
        held = await self.admission.why_held(profile, campaign)
        match await self.campaigns.standing(known):
            case "conflict":
                raise conflict
            case "repeat":
                return Accepted(count=1)  # it may have been released meanwhile
            case "replaced":
                await self.admission.open_again(submission.tenant, campaign, held)
        # Before anybody knows the campaign: its recipients may come at once, through another process.
        scope = Scope.of_campaign(submission.tenant, campaign.id)
        await self.admission.shut(submission.tenant, campaign, held, born)
        rate = campaign.rate.per_second if campaign.rate else 0.0
        await self.terms.set(scope.text, Terms(campaign.weight, rate))
        if await self.campaigns.define(known) == "conflict":
            raise conflict
        return Accepted(count=1)

    # recipients

    async def _recipients(
        self, submission: Submission, people: Recipients, opened: Opened, entry_id: str
    ) -> Accepted:
        born = stream_order(entry_id)[0]
        known = await self.campaigns.get(submission.tenant, people.campaign)
        if known is None:
            raise NotYet(people.campaign)
        if known.cls is not submission.cls:
            raise Refused(
                KIND,
                f"campaign {people.campaign} came on the stream {known.cls.label}; send its recipients there too",
            )
        closed = await self.campaigns.closed(submission.tenant, people.campaign)
        # One that came before the last one may be met after it, by another process or after a crash.
        if closed and stream_order(entry_id) > stream_order(closed):
            raise Refused(
                CAMPAIGN_CLOSED, f"campaign {people.campaign} had its last entry; use a new campaign id"
            )
        mailing = mailings.decode(known.mailing)
        compiled = self._compile(known.mailing, mailing)
        checked = await self._checked(submission, known)
        good, bad = rows(people, compiled.fields, compiled.header_fields)
        stem = entry_stem(submission.tenant, people.campaign, submission.key)
        expires = checked.expires or born + self.rules.lifetimes_ms[known.cls]
        list_ = checked.list_ if known.cls is Class.BULK else ""
        if good and not known.started:
            await self.campaigns.start(submission.tenant, people.campaign)
        shared = Mailing(known.cls, checked.pool, submission.tenant, people.campaign, list_, opened.entry)
        for chunk, part in enumerate(chunks(good, bad, len(people.rows)), 1):
            if chunk <= opened.chunk and len(self.putter.queues) == 1:
                continue
            if checked.canary is not None:
                entry = Entry(submission, shared, stem, expires, checked.not_before, born)
                await self.vanguard.put(entry, chunk, part, checked.canary)
            elif len(people.rows) > FEW or checked.hold:
                await self.putter.pack(
                    submission, shared, chunk, part, stem, expires, checked.not_before, born
                )
            else:
                records = [(row.number, convert.record_of_row(stem, row, born, expires)) for row in part.good]
                await self.putter.put(submission, shared, chunk, records, checked.not_before, born, part.bad)
        if people.last:
            await self.campaigns.close(submission.tenant, people.campaign, entry_id)
        return Accepted(len(good), len(bad))

    async def _checked(self, submission: Submission, known: registry.Campaign) -> Campaign:
        # The document was checked when it came; reading it again gives its times, list and pool.
        found = self._read.get(known.digest)
        if found is None:
            document = MAIL["campaign"](known.document, known.tenant, submission.key, known.cls)
            assert isinstance(document, Campaign)
            if len(self._read) >= COMPILED_KEPT:
                self._read.pop(next(iter(self._read)))
            found = self._read[known.digest] = document
        return found

    # single messages

    async def _message(
        self,
        submission: Submission,
        profile: Profile,
        message: Message,
        opened: Opened,
        born: int,
        foresight: Foresight,
    ) -> Accepted:
        message = fill(message, await self._blobs(message))
        _check_rights(profile, message.content.sender.address.domain, message.pool)
        if message.envelope_from is not None and profile.bounce_domain != message.envelope_from.domain:
            raise Refused(
                NOT_ALLOWED,
                f"`envelope_from` must lie in the tenant's bounce domain {profile.bounce_domain or '(it has none)'}",
            )
        mailing = convert.mailing_of_message(submission.tenant, message)
        encoded = mailings.encode(mailing)
        automatic = mailing.document is not None and convert.is_automatic(mailing.document.headers.items())
        if mailing.raw is None:
            compiled = foresight.compiled or self._compile(encoded, mailing, keep=False)
            values = values_of(message.vars, compiled.fields)
            if wrong := compiled.first_bad_value(values):
                raise Refused(BAD_TEMPLATE, f"`vars.{wrong[0]}` {wrong[1]}")
        else:
            values = []
            try:
                automatic = convert.is_automatic(convert.fields_of_raw(prepare_raw(mailing.raw)))
            except ContentError as error:
                raise Refused(BAD_TEMPLATE, str(error)) from error
        assert submission.cls is not None
        expires = message.expires or born + self.rules.lifetimes_ms[submission.cls]
        body = str(opened.entry)
        records = list(enumerate(convert.records_of_message(message, values, born, expires, body)))
        shared = Mailing(submission.cls, message.pool, submission.tenant, "", "", opened.entry)
        if message.notify and not automatic:
            # Before anything is put: what becomes of it may be told at once.
            wish = convert.wish_of_message(message, mailing, submission.cls, born, expires)
            await self.notify.ask(submission.tenant, message.id, wish)
        suppressed = foresight.suppressed
        for chunk, start in enumerate(range(0, len(records), MOST), 1):
            part = records[start : start + MOST]
            reasons = suppressed[start : start + MOST] if suppressed is not None else None
            await self.putter.put(
                submission, shared, chunk, part, message.not_before, born, body=encoded, suppressed=reasons,
                opening=opened.opening if chunk == 1 else None,
            )  # fmt: skip
        return Accepted(len(records))

    # common

    def _compile(self, encoded: bytes, mailing: mailings.Mailing, *, keep: bool = True) -> Compiled:
        known = self._compiled.get(encoded)
        if known is not None:
            return known
        assert mailing.document is not None
        try:
            compiled = compile_document(mailing.document)
        except ContentError as error:
            raise Refused(BAD_TEMPLATE, str(error)) from error
        if keep:
            if len(self._compiled) >= COMPILED_KEPT:
                self._compiled.pop(next(iter(self._compiled)))
            self._compiled[encoded] = compiled
        return compiled

    async def _blobs(self, document: Campaign | Message) -> dict[str, bytes]:
        found = {}
        for digest in digests(document):
            value = await self.intake.blob(digest)
            if value is not None:
                found[digest] = value
        return found


async def _nothing() -> None:
    return None


def _check_rights(profile: Profile, from_domain: str, pool: str) -> None:
    if not profile.may_send_as(from_domain):
        raise Refused(
            NOT_ALLOWED, f"`from` uses {from_domain}, which is not among tenant {profile.id}'s from_domains"
        )
    if pool and profile.pools and pool not in profile.pools:
        raise Refused(NOT_ALLOWED, f"`pool` {pool} is not among tenant {profile.id}'s pools")
