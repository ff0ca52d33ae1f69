"""From a taken message to the bytes of its transaction: return path, links, beacon, headers, signatures last."""

from collections.abc import Sequence

from mta.bounce import verp
from mta.dkim.sign import sign_all
from mta.message import Flag, MessageId
from mta.mime.compiled import Compiled
from mta.mime.document import Person, Urls
from mta.mime.raw import RawContent, render_raw
from mta.queue.codec import Item
from mta.smtp.dialogue import Envelope
from mta.tracking import links, token, unsubscribe
from mta.tracking.token import Keys, Purpose
from mta.workers.contents import Content

DAY = 86400


def envelope(key: object, item: Item, content: Content, keys: Keys, now: int) -> Envelope:
    """Return the envelope: a signed return path that names the message (VERP), and its one recipient.

    `now` in seconds since 1970.
    """
    mailing, record = content.mailing, item.record
    sender = mailing.envelope_from or verp.make(
        keys, MessageId.unpack(item.id), now // DAY, content.bounce_domain
    )
    return Envelope(
        key,
        sender,
        (record.rcpt,),
        size=content.compiled.size_estimate,
        utf8=not record.rcpt.isascii() or getattr(content.compiled, "utf8", False),
        eight_bit=content.compiled.eight_bit,
    )


def message(item: Item, content: Content, keys: Keys, now: int, date: str, expire: int | None) -> list[bytes]:
    """Return the whole message in parts: signatures, header fields, body. Nothing changes after the signature.

    `now` in seconds since 1970, `date` the same instant as an RFC 5322 date, `expire` seconds until the
    signature ends (None: never). Raises ContentError when the values do not fit the template.
    """
    mailing, record = content.mailing, item.record
    message_id = MessageId.unpack(item.id)
    day = now // DAY
    name = mailing.message_id or record.name
    mid = f"<{name}.{mailing.tenant}@{mailing.from_domain}>"
    compiled = content.compiled
    extra: Sequence[bytes] = ()
    if isinstance(compiled, Compiled):
        urls, extra = _links(item, content, compiled, keys, message_id, day)
        person = Person(record.rcpt, record.to_name, record.values)
        rendered = compiled.render(person, urls, date, mid, extra)
    else:
        rendered = render_raw(compiled, date, mid)
    signers = content.signers
    if not signers or (isinstance(compiled, RawContent) and compiled.signed_by(mailing.from_domain)):
        return [*rendered.fields, b"\r\n", *rendered.body]
    signatures = sign_all(
        rendered.fields, rendered.body_hash, signers, now, None if expire is None else now + expire
    )
    return [*signatures, *rendered.fields, b"\r\n", *rendered.body]


def _links(
    item: Item, content: Content, compiled: Compiled, keys: Keys, message_id: MessageId, day: int
) -> tuple[Urls, Sequence[bytes]]:
    mailing, base, profile = content.mailing, content.base_url, content.profile
    tracked = not item.record.flags & Flag.TRACK_OFF
    document = mailing.document
    assert document is not None

    def made(purpose: Purpose) -> str:
        return token.make(keys, purpose, message_id, day)

    open_ = click = leave = view = ""
    if tracked and document.track_opens and profile.opens:
        open_ = links.open_url(base, made(Purpose.OPEN))
    if tracked and document.track_clicks and profile.clicks and compiled.links:
        click = links.click_prefix(base, made(Purpose.CLICK))
    extra: list[bytes] = []
    if mailing.campaign:
        view = links.view_url(base, made(Purpose.VIEW))
    if mailing.unsubscribe:
        leave = links.unsubscribe_url(base, made(Purpose.UNSUBSCRIBE))
        mailto = verp.make_leave(keys, message_id, day, content.bounce_domain)
        list_ = mailing.list_ or mailing.campaign or mailing.tenant
        extra = unsubscribe.headers(
            leave,
            mailto,
            f"{list_}.{mailing.tenant}.{mailing.from_domain}",
            feedback_id=f"{mailing.campaign}:{list_}:{mailing.tenant}:mta",
        )
    return Urls(open_, click, leave, view), extra
