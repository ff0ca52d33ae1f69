"""What is wrong with a link: targets that lead nowhere, and words that name another place than the target."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from mta.mime.alignment import organisation
from mta.mime.finding import Finding, finding, shown
from mta.mime.outline import Anchor

SHORTENERS: Final = frozenset(
    ("bit.ly", "tinyurl.com", "goo.gl", "t.co", "ow.ly", "is.gd", "buff.ly", "rebrand.ly", "cutt.ly")
)
"""Services that hide where a link leads; block lists carry several of them as a whole."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.I)
_KNOWN = frozenset(("http", "https", "mailto", "tel", "sms", "cid"))
_ADDRESS_IN_WORDS = re.compile(r"(?:https?://|(?=www\.))([a-z0-9.-]+\.[a-z]{2,})(?:[:/?#]\S*)?", re.I)
_HOST = re.compile(r"[^\s/?#@\\<>\"{}|^`]+")
_NOT_IN_URL = re.compile(r"[ \t\r\n\\]")
_PRIVATE = (".local", ".localhost", ".internal", ".lan", ".test", ".invalid")


def check(anchor: Anchor) -> Finding | None:
    """Return what is wrong with a link, the worst first; None where nothing is."""
    href, words = anchor.href.strip(), " ".join(anchor.words.split())
    if not href:
        return finding("link-empty", "html", words=shown(words))
    target = shown(href)
    if href.startswith("#"):
        return None
    scheme = _SCHEME.match(href)
    # `example.com:8080/x` reads as a scheme; nobody means one with a dot.
    if scheme is None or "." in scheme[1]:
        return finding("link-relative", "html", target=target)
    if scheme[1].lower() not in _KNOWN:
        return finding("link-scheme", "html", target=target, scheme=scheme[1].lower())
    if scheme[1].lower() not in ("http", "https"):
        return None
    host = host_of(href)
    if host is None:
        return finding("link-broken", "html", target=target)
    if _private(host):
        return finding("link-private", "html", target=target, host=host)
    if host in SHORTENERS:
        return finding("link-shortener", "html", target=target, host=host)
    named = _ADDRESS_IN_WORDS.fullmatch(words)
    if named and organisation(named[1].removeprefix("www.")) != organisation(host):
        return finding("link-words", "html", words=shown(words), host=host)
    if href[:6].lower() != "https:":
        return finding("link-insecure", "html", target=target)
    if not words and not anchor.pictures:
        return finding("link-wordless", "html", target=target)
    return None


def host_of(href: str) -> str | None:
    """Return the host of a web address, lower-case; None where the address is not well formed."""
    try:
        parts = urlsplit(href)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    host = parts.hostname or ""
    if _NOT_IN_URL.search(href) or not _HOST.fullmatch(host):
        return None
    # `https://https://x` and `https://http//x` have the host `https` or `http`.
    if host in ("http", "https") or host.startswith(".") or ".." in host:
        return None
    return host


def _private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE)
