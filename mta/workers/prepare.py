"""From a taken message to the bytes of its transaction: return path, links, beacon, headers, signatures last."""

from collections.abc import Sequence
from typing import NamedTuple

from mta.bounce import verp
from mta.dkim.key import Signer
from mta.dkim.sign import sign_all
from mta.message import Flag
from mta.mime.compiled import Compiled
from mta.mime.document import Person, Rendered, Urls
from mta.mime.mailing import NULL_SENDER
from mta.mime.raw import RawContent, render_raw
from mta.queue.codec import Item
from mta.smtp.dialogue import Envelope
from mta.tracking import links, unsubscribe
from mta.tracking.token import Keys, Purpose, make_packed
from mta.workers.contents import Content

DAY = 86400
MARK = b"X-Mta-Report"
"""The header field that holds the return path's token again."""
CHECK_EVERY = 64
"""Of the messages made from one content the first and then one in so many is checked byte by byte again."""


class Made(NamedTuple):
    """A whole message; `clean`: it was encoded by us, so no line of it can need a check or a second dot."""

    parts: list[bytes]
    clean: bool


class Draft(NamedTuple):
    """A message but for its signatures: what `signers`, none for one that is to stay unsigned, are to sign."""

    rendered: Rendered
    signers: Sequence[Signer]
    clean: bool


def envelope(key: object, item: Item, content: Content, keys: Keys, now: int) -> Envelope:
    """Return the envelope: a signed return path that names the message (VERP), and its one recipient.

    `now` in seconds since 1970.
    """
    mailing, rcpt, compiled = content.mailing, item.record.rcpt, content.compiled
    sender = mailing.envelope_from or verp.return_path(
        make_packed(keys, Purpose.RETURN, item.id, now // DAY), content.bounce_domain
    )
    if sender == NULL_SENDER:
        sender = ""
    utf8 = not rcpt.isascii() or (isinstance(compiled, RawContent) and compiled.utf8)
    return Envelope(key, sender, (rcpt,), compiled.size_estimate, utf8, compiled.eight_bit)


def message(item: Item, content: Content, keys: Keys, now: int, date: str, expire: int | None) -> Made:
    """Return the whole message: signatures, header fields, body. Nothing changes after the signature.

    `now` in seconds since 1970, `date` the same instant as an RFC 5322 date, `expire` seconds until the
    signature ends (None: never). Raises ContentError when the values do not fit the template.
    """
    one = draft(item, content, keys, now, date)
    end = None if expire is None else now + expire
    fields = one.rendered.fields
    return whole(one, sign_all(fields, one.rendered.body_hash, one.signers, now, end) if one.signers else ())


def draft(item: Item, content: Content, keys: Keys, now: int, date: str) -> Draft:
    """Return the message as it is before it is signed; arguments and errors are those of `message`."""
    mailing, record, compiled = content.mailing, item.record, content.compiled
    name = mailing.message_id or record.name
    mid = f"<{name}.{mailing.tenant}@{mailing.from_domain}>"
    content.made += 1
    signers: Sequence[Signer] = content.signers
    if isinstance(compiled, Compiled):
        urls, extra = _links(item, content, compiled, keys, now // DAY)
        person = Person(record.rcpt, record.to_name, record.values)
        rendered = compiled.render(person, urls, date, mid, extra)
        clean = content.made % CHECK_EVERY != 1
    else:
        rendered = render_raw(compiled, date, mid, _marked(item, content, keys, now // DAY))
        clean = False
        if compiled.signed_by(mailing.from_domain):
            signers = ()
    return Draft(rendered, signers, clean)


def whole(one: Draft, signatures: Sequence[bytes]) -> Made:
    """Return a message with its signatures, which stand before all fields."""
    return Made([*signatures, *one.rendered.fields, b"\r\n", *one.rendered.body], one.clean)


def _links(
    item: Item, content: Content, compiled: Compiled, keys: Keys, day: int
) -> tuple[Urls, Sequence[bytes]]:
    mailing, base, profile = content.mailing, content.base_url, content.profile
    document, packed = mailing.document, item.id
    assert document is not None
    open_ = click = leave = view = ""
    if not item.record.flags & Flag.TRACK_OFF:
        if document.track_opens and profile.opens:
            open_ = links.open_url(base, make_packed(keys, Purpose.OPEN, packed, day))
        if document.track_clicks and profile.clicks and compiled.links:
            click = links.click_prefix(base, make_packed(keys, Purpose.CLICK, packed, day))
    if mailing.campaign and compiled.shows_view:
        view = links.view_url(base, make_packed(keys, Purpose.VIEW, packed, day))
    extra: Sequence[bytes] = ()
    if mailing.unsubscribe:
        token = make_packed(keys, Purpose.UNSUBSCRIBE, packed, day)
        leave = links.unsubscribe_url(base, token)
        extra = unsubscribe.headers(
            leave,
            verp.leave_address(token, content.bounce_domain),
            content.list_id,
            feedback_id=content.feedback_id,
        )
    else:
        extra = _marked(item, content, keys, day)
    return Urls(open_, click, leave, view), extra


def _marked(item: Item, content: Content, keys: Keys, day: int) -> Sequence[bytes]:
    """Return the field that names a message where no List-Unsubscribe does: reports to mangled addresses return it.

    What is the same for all recipients can't hold it, and of a report or automatic reply nothing is to come back.
    """
    if content.shared or content.mailing.envelope_from == NULL_SENDER:
        return ()
    return (b"%b: %b\r\n" % (MARK, make_packed(keys, Purpose.RETURN, item.id, day).encode("ascii")),)
