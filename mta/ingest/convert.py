"""From a checked submission to what the queue stores: mailings, profiles, records. Pure."""

from collections.abc import Iterable, Sequence

from mta.address import Mailbox
from mta.identity import recipient_id
from mta.ingest.checked import Campaign, Content, Message, Raw
from mta.ingest.rows import Row
from mta.message import Class, Flag, Record
from mta.mime.document import Attachment, Document
from mta.mime.mailing import NULL_SENDER, Mailing
from mta.mime.raw import RawContent
from mta.queue.notifybook import Wish


def mailing_of_campaign(tenant: str, campaign: Campaign) -> Mailing:
    """Return a campaign's mailing."""
    content = campaign.content
    return Mailing(
        tenant=tenant,
        from_domain=content.sender.address.domain,
        campaign=campaign.id,
        list_=campaign.list_,
        unsubscribe=campaign.unsubscribe,
        document=_document(content),
    )


def mailing_of_message(tenant: str, message: Message) -> Mailing:
    """Return a single message's mailing, with its visible To and Cc."""
    content = message.content
    envelope_from = str(message.envelope_from) if message.envelope_from else ""
    if message.null_sender:
        envelope_from = NULL_SENDER
    if isinstance(content, Raw):
        assert isinstance(content.data, bytes)
        return Mailing(
            tenant=tenant,
            from_domain=content.sender.address.domain,
            message_id=message.id,
            envelope_from=envelope_from,
            raw=content.data,
        )
    document = _document(content, to=_mailboxes(message.to), cc=_mailboxes(message.cc))
    return Mailing(
        tenant=tenant,
        from_domain=content.sender.address.domain,
        message_id=message.id,
        envelope_from=envelope_from,
        document=document,
    )


def wish_of_message(message: Message, mailing: Mailing, cls: Class, born: int, expires: int) -> Wish:
    """Return what the sender of a message wants to be told of, and what is told of the message."""
    sender = str(message.content.sender.address)
    return Wish(
        on=list(message.notify),
        to=message.notify_to or sender,
        label=cls.label,
        sender=sender,
        message_id=f"<{message.id}.{mailing.tenant}@{mailing.from_domain}>",
        subject=message.content.subject if isinstance(message.content, Content) else "",
        arrived=born,
        expires=expires,
    )


def is_automatic(fields: Iterable[tuple[str, str]]) -> bool:
    """Say whether header fields are those of a report or an automatic message: nobody is told of those (RFC 3834)."""
    for name, value in fields:
        word = value.strip().lower()
        if name.lower() == "auto-submitted" and not word.startswith("no"):
            return True
        if name.lower() == "content-type" and word.startswith("multipart/report"):
            return True
    return False


def fields_of_raw(raw: RawContent) -> list[tuple[str, str]]:
    """Return a raw message's header fields."""
    found = []
    for field in raw.fields:
        name, _, value = field.decode("utf-8", "replace").partition(":")
        found.append((name.strip(), value))
    return found


def record_of_row(stem: str, row: Row, born: int, expires: int) -> Record:
    """Return the record of a campaign's recipient."""
    return Record(
        name=recipient_id(stem, row.number),
        rcpt=str(row.address),
        born=born,
        expires=expires,
        ref=row.ref,
        to_name=row.name,
        values=row.values,
        flags=0 if row.track else Flag.TRACK_OFF,
        locale=row.locale,
        tz=row.tz,
    )


def records_of_message(
    message: Message, values: Sequence[str], born: int, expires: int, body: str
) -> list[Record]:
    """Return a record for each envelope recipient of a message."""
    return [
        Record(
            name=recipient_id(message.id, number),
            rcpt=str(address),
            born=born,
            expires=expires,
            ref=message.ref,
            values=list(values),
            body=body,
            index=number,
        )
        for number, address in enumerate(message.recipients)
    ]


def _document(content: Content, *, to: str | None = None, cc: str = "") -> Document:
    assert content.html is None or isinstance(content.html, str)
    return Document(
        sender=mailbox_text(content.sender),
        subject=content.subject,
        text=content.text or None,
        html=content.html,
        reply_to=mailbox_text(content.reply_to) if content.reply_to else None,
        headers=dict(content.headers),
        attachments=[
            Attachment(part.name, part.type, part.data, part.cid)
            for part in content.parts
            if isinstance(part.data, bytes)
        ],
        to_header=to,
        cc_header=cc or None,
        merge=True,
        track_opens=content.opens,
        track_clicks=content.clicks,
    )


def mailbox_text(mailbox: Mailbox) -> str:
    """Return `Name <address>` with the name quoted, or the bare address."""
    if not mailbox.name:
        return str(mailbox.address)
    quoted = mailbox.name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{mailbox.address}>'


def _mailboxes(boxes: Sequence[Mailbox]) -> str:
    return ", ".join(mailbox_text(box) for box in boxes)
