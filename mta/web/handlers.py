"""What each address does. A token that is not valid never tells why, and never leads anywhere."""

import logging
from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from mta.address import AddressError, parse_mailbox
from mta.archive.recipient import Recipient, list_of
from mta.event import event, token_eid
from mta.message import Class
from mta.tenancy import Profile
from mta.tracking.token import MAX_DAY, Purpose, TokenError, TokenExpired, read
from mta.web import pages
from mta.web.doors import Doors, answer, answer_or
from mta.web.outbox import Outbox
from mta.web.readers import agent_of, client_ip, private, proxy_of
from mta.web.words import Words, words

GIF: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
MAX_TARGET: Final = 4096
_DAY: Final = 86400
_log = logging.getLogger("mta.web")

_COMMON = {
    "Cache-Control": "no-store, private",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the token stays between the reader and us
    "X-Robots-Tag": "noindex, nofollow",
}
_PAGE = _COMMON | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}
# Shown under a host name that belongs to us: no script, no form, no origin, whatever the mail contains.
_MAIL = _COMMON | {
    "Content-Security-Policy": "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
    " img-src https: http: data:; style-src 'unsafe-inline' https:; font-src https:; base-uri 'none';"
    " frame-ancestors 'none'"
}


class Handlers:
    """The handlers; `max_days` is the age at which all but unsubscribing ends."""

    def __init__(self, doors: Doors, outbox: Outbox, trusted_hops: int, max_days: int) -> None:
        self.doors = doors
        self.outbox = outbox
        self.trusted_hops = trusted_hops
        self.max_days = max_days

    async def gif(self, _: web.Request) -> web.Response:
        """A picture is always a picture: a broken image in a mail helps nobody."""
        return web.Response(body=GIF, content_type="image/gif", headers=_COMMON)

    async def beacon(self, request: web.Request) -> web.Response:
        """The open beacon."""
        try:
            found = await self._recipient(request, Purpose.OPEN, self.max_days)
            if isinstance(found, Recipient) and request.method == "GET":
                profile = await self._profile(found)
                if profile.opens:
                    self._tell("opened", request, found, profile)
        except Exception:
            _log.exception("a beacon could not be looked up")
        return await self.gif(request)

    async def click(self, request: web.Request) -> web.Response:
        """A tracked link: to the target bound to the message, and nowhere else."""
        found = await self._recipient(request, Purpose.CLICK, self.max_days)
        if isinstance(found, web.Response):
            return found
        number = int(request.match_info["link"])
        target = await answer(self.doors.link_target(found, number))
        if target is None or not _leads_out(target):
            return html(pages.not_found(_words(request)), 404)
        if request.method == "GET":
            profile = await self._profile(found)
            if profile.clicks:
                self._tell("clicked", request, found, profile, url=target, link=number)
        # What is not ASCII is sent in UTF-8, percent-encoded; all else goes out as the sender wrote it.
        location = quote(target, safe="!#$%&'()*+,/:;=?@[]~")
        return web.Response(status=302, headers=_COMMON | {"Location": location})

    async def ask(self, request: web.Request) -> web.Response:
        """The page with the button; changes nothing."""
        found = await self._recipient(request, Purpose.UNSUBSCRIBE, MAX_DAY)
        if isinstance(found, web.Response):
            return found
        listed = bool(await self._list(found))
        return html(pages.ask(await self._sender(found), found.rcpt, _words(request, found), listed=listed))

    async def leave(self, request: web.Request) -> web.Response:
        """One-click unsubscribe (RFC 8058) and the page's own button: no cookie, no redirect, no question.

        One click leaves the list; the page offers to leave all of the sender's lists instead.
        """
        found = await self._recipient(request, Purpose.UNSUBSCRIBE, MAX_DAY)
        if isinstance(found, web.Response):
            return found
        # Both encodings of a form, and senders who mislabel it, hold the words of RFC 8058 section 3.2.
        body = await request.read()
        via = "post" if b"One-Click" in body else "link"
        ts = int(self.doors.now() * 1000)
        words = _words(request, found)
        list_ = "" if via == "link" and pages.ALL in body else await self._list(found)
        told = self._event("unsubscribed", request, found, ts, via=via, list_=list_)
        try:
            await self.outbox.leave(found.id.shard, told, found.tenant, list_, found.rcpt, ts)
        except OSError:
            _log.exception("an unsubscribe could be neither carried out nor kept")
            return html(pages.try_later(words), 503)
        return html(pages.done(await self._sender(found), found.rcpt, words))

    async def view(self, request: web.Request) -> web.Response:
        """The message as a web page."""
        found = await self._recipient(request, Purpose.VIEW, self.max_days)
        if isinstance(found, web.Response):
            return found
        text = await answer(self.doors.render(found))
        if text is None:
            return html(pages.too_old(_words(request, found)), 410)
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=_MAIL)

    # behind them

    async def _recipient(
        self, request: web.Request, purpose: Purpose, max_days: int
    ) -> Recipient | web.Response:
        """Return whom a token belongs to, or the page that says as little as it may."""
        today, words = int(self.doors.now()) // _DAY, _words(request)
        try:
            token = read(self.doors.tokens, purpose, request.match_info["token"], today, max_days)
        except TokenExpired:
            return (
                html(pages.too_old(words), 410)
                if purpose is Purpose.VIEW
                else html(pages.not_found(words), 404)
            )
        except TokenError:
            return html(pages.not_found(words), 404)
        recipient = await answer(self.doors.lookup(token.id))
        if recipient is None:
            return html(pages.too_old(words), 410)
        # While Redis is away nobody can say whose host it is: links go on working.
        if not await answer_or(lambda: self.doors.own_host(_host(request), recipient), True):
            return html(pages.not_found(words), 404)
        return recipient

    async def _profile(self, recipient: Recipient) -> Profile:
        found = await answer_or(lambda: self.doors.profile(recipient.tenant), None)
        return found or Profile(recipient.tenant)

    async def _list(self, recipient: Recipient) -> str:
        """The list to leave; none means all bulk mail of the tenant."""
        if recipient.list_ or not recipient.campaign or recipient.cls != Class.BULK:
            return recipient.list_
        document = await self._document(recipient)
        return list_of(document) if document else ""

    async def _sender(self, recipient: Recipient) -> str:
        """Whose mail it is, in the words of the From header where they are at hand."""
        document = await self._document(recipient)
        if document:
            try:
                box = parse_mailbox(str(msgspec.json.decode(document)["from"]))
            except (msgspec.DecodeError, AddressError, KeyError, TypeError):
                return recipient.tenant
            return f"{box.name} ({box.address})" if box.name else str(box.address)
        return recipient.tenant

    async def _document(self, recipient: Recipient) -> bytes | None:
        if not recipient.campaign:
            return None
        return await answer_or(
            lambda: self.doors.campaigns.document(recipient.tenant, recipient.campaign), None
        )

    def _tell(
        self, kind: str, request: web.Request, recipient: Recipient, profile: Profile, **more: str | int
    ) -> None:
        agent = agent_of(request.headers.get("User-Agent", ""))
        ip = client_ip(request.remote or "", request.headers.getall("X-Forwarded-For", []), self.trusted_hops)
        ts = int(self.doors.now() * 1000)
        told = self._event(
            kind, request, recipient, ts, ip=private(ip, profile.ip), agent=agent, proxy=proxy_of(agent), **more
        )  # fmt: skip
        self.outbox.event(recipient.id.shard, told)

    def _event(
        self, kind: str, request: web.Request, recipient: Recipient, ts: int, **more: str | int
    ) -> dict[str, str]:
        token = request.match_info["token"].lower()
        if "link" in more:
            token = f"{token}.{more['link']}"  # two links followed in one second are two clicks
        return event(
            kind,
            token_eid(token, kind, ts),
            ts,
            id=recipient.name,
            tenant=recipient.tenant,
            campaign=recipient.campaign,
            rcpt=recipient.rcpt,
            ref=recipient.ref,
            **more,
        )


def html(text: str, status: int = 200) -> web.Response:
    """Return a page of ours."""
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=_PAGE)


def _words(request: web.Request, recipient: Recipient | None = None) -> Words:
    """Return the words in the recipient's language, as the sender gave it, else in the browser's."""
    locale = recipient.columns.get("locale", "") if recipient is not None and recipient.campaign else ""
    return words(locale, request.headers.get("Accept-Language", ""))


def _leads_out(target: str) -> bool:
    """Whether a target is a web address that a browser reads as we do: no other scheme, no control character."""
    low = target[:8].lower()
    return (
        low.startswith(("https://", "http://"))
        and len(target) <= MAX_TARGET
        and target.isprintable()
        and "\\" not in target
    )


def _host(request: web.Request) -> str:
    """The host name asked for, lower-case, without a port."""
    host = request.host.lower()
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
