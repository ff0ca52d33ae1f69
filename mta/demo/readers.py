"""Readers who open, click and leave: what comes back over HTTP after mail has arrived.

They know nothing but the messages they were sent. Whatever host the links name, the request goes to the one
address given, with that name in the Host field: the demo's tracking host needs no DNS and no certificate.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from html.parser import HTMLParser
from urllib.parse import SplitResult, urlsplit

import aiohttp

from mta.demo.behaviour import draw

TIMEOUT_S = 10.0
MAX_AT_ONCE = 50


@dataclass(slots=True)
class Links:
    """What a reader finds in one message; empty where there is none."""

    to: str = ""
    beacon: str = ""
    clicks: list[str] = field(default_factory=list)
    unsubscribe: str = ""  # https or http, from List-Unsubscribe
    mailto: str = ""
    one_click: bool = False  # List-Unsubscribe-Post allows the POST (RFC 8058 section 3.1)
    view: str = ""


@dataclass(slots=True)
class Reading:
    """What readers did, and what came back wrong."""

    messages: int = 0
    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    failed: int = 0
    faults: dict[str, int] = field(default_factory=dict)  # "click 404" -> how often

    def fault(self, what: str) -> None:
        """Count one answer that was not the expected one."""
        self.failed += 1
        self.faults[what] = self.faults.get(what, 0) + 1


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img" and values.get("src"):
            self.images.append(values["src"] or "")
        elif tag == "a" and values.get("href"):
            self.anchors.append(values["href"] or "")


def links(message: bytes) -> Links:
    """Return the links of one message as bytes; the paths /o/, /c/ and /v/ tell what each is for."""
    mail = message_from_bytes(message, policy=policy.default)
    found = Links(to=str(mail["To"] or ""))
    for item in str(mail["List-Unsubscribe"] or "").split(","):
        url = item.strip().removeprefix("<").removesuffix(">")
        if url.startswith(("https:", "http:")):
            found.unsubscribe = url
        elif url.startswith("mailto:"):
            found.mailto = url
    found.one_click = str(mail["List-Unsubscribe-Post"] or "").strip() == "List-Unsubscribe=One-Click"
    body = mail.get_body(("html",))
    if body is not None:
        page = _Page()
        page.feed(body.get_content())
        found.beacon = next((url for url in page.images if _path(url, "o")), "")
        found.clicks = [url for url in page.anchors if _path(url, "c")]
        found.view = next((url for url in page.anchors if _path(url, "v")), "")
    return found


def _path(url: str, letter: str) -> bool:
    return f"/{letter}/" in urlsplit(url).path


class Readers:
    """People with habits, as shares of messages; `seed` decides who does what.

    `host` and `port` are where the engine's web listens.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        open_share: float = 0.5,
        click_share: float = 0.2,
        unsubscribe_share: float = 0.02,
        seed: str = "",
    ) -> None:
        self._base = f"http://{host}:{port}"
        self._shares = {"open": open_share, "click": click_share, "unsubscribe": unsubscribe_share}
        self._seed = seed

    def will(self, what: str, person: str) -> bool:
        """True when `person` (the To field) is one who does `what`: open, click or unsubscribe."""
        return draw(person, self._seed, what) < self._shares[what]

    async def read(self, messages: Iterable[bytes]) -> Reading:
        """Do with each message what its reader does, at most MAX_AT_ONCE at a time; return the counts."""
        reading = Reading()
        gate = asyncio.Semaphore(MAX_AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as web:

            async def one(message: bytes) -> None:
                async with gate:
                    await self._one(web, links(message), reading)

            await asyncio.gather(*(one(message) for message in messages))
        return reading

    async def _one(self, web: aiohttp.ClientSession, found: Links, reading: Reading) -> None:
        reading.messages += 1
        if found.beacon and self.will("open", found.to):
            status, kind, _ = await self._ask(web, "GET", found.beacon)
            if status == 200 and kind.startswith("image/"):
                reading.opened += 1
            else:
                reading.fault(f"open {status}")
        if found.clicks and self.will("click", found.to):
            chosen = int(draw(found.to, self._seed, "which") * len(found.clicks))
            status, _, location = await self._ask(web, "GET", found.clicks[chosen])
            if 300 <= status < 400 and location.startswith(("https://", "http://")):
                reading.clicked += 1
            else:
                reading.fault(f"click {status}")
        if found.unsubscribe and found.one_click and self.will("unsubscribe", found.to):
            status, _, _ = await self._ask(web, "POST", found.unsubscribe)
            if 200 <= status < 300:
                reading.unsubscribed += 1
            else:
                reading.fault(f"unsubscribe {status}")

    async def _ask(self, web: aiohttp.ClientSession, method: str, url: str) -> tuple[int, str, str]:
        """Return (status, content type, Location); status 0 when there was no answer."""
        parts: SplitResult = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        headers = {"Host": parts.netloc, "X-Forwarded-Proto": parts.scheme, "User-Agent": "reader/1"}
        body = {"List-Unsubscribe": "One-Click"} if method == "POST" else None  # RFC 8058 section 3.2
        try:
            async with web.request(
                method, self._base + parts.path + query, headers=headers, data=body, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status, answer.content_type, answer.headers.get("Location", "")
        except (aiohttp.ClientError, TimeoutError):
            return 0, "", ""
