"""How a merge value is made safe for the place where it stands.

| place | `{{name}}` | `{{{name}}}` |
|---|---|---|
| text, header | as it is | as it is |
| HTML text, quoted attribute | `& < > " '` as entities | as it is |
| unquoted attribute, inside a tag | these, white space, `=` and backtick as entities | as it is |
| start of a URL attribute | entities; a scheme that could run code makes it `#` | the same |
| further inside a URL | percent-encoded but for letters, digits, `-._~` | URL punctuation stays |
| script | a JSON string's inside, without `< > & '` | as it is |
"""

import html
import json
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Final
from urllib.parse import quote

from mta.mime.characters import check_body, crlf


class Place(IntEnum):
    """Where in a body a merge field stands."""

    PLAIN = 0  # text/plain, or `{{{name}}}` in HTML
    HTML = 1
    UNQUOTED = 2
    URL = 3
    URL_AS_IS = 4
    URL_START = 5
    URL_START_UNQUOTED = 6
    SCRIPT = 7
    TRUSTED = 8  # a URL of the engine's own


URL_PUNCTUATION: Final = "%/?:@!$&'()*+,;=#[]~"
"""Characters with a meaning in a URL (RFC 3986 section 2.2), kept where a value goes in as it is."""

IN_URL: Final = frozenset({Place.URL, Place.URL_AS_IS, Place.URL_START, Place.URL_START_UNQUOTED})

# Browsers drop tabs and line ends inside a URL, so `java<TAB>script:` is a scheme too.
_HARMLESS = re.compile(
    r"(?:(?:https?|mailto|tel|sms|cid):|data:image/(?:png|gif|jpe?g|webp)[;,]|[^:/?#]*+(?:[/?#]|\Z))", re.I
)
_JSON_IN_HTML = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'"}
_UNQUOTED = {ord(character): f"&#{ord(character)};" for character in "\t\n\f\r =`"}


def plain(value: str) -> str:
    """Return `value` with CRLF line ends; raise ContentError for characters that cannot be sent."""
    check_body(value, "value")
    return crlf(value)


def entities(value: str) -> str:
    """Return `value` safe in HTML text and in quoted attributes."""
    return html.escape(plain(value), quote=True)


def unquoted(value: str) -> str:
    """Return `value` safe in an attribute without quotes and in a tag."""
    return entities(value).translate(_UNQUOTED)


def in_url(value: str) -> str:
    """Return `value` percent-encoded as one part of a URL (RFC 3986 section 2.1)."""
    check_body(value, "value")
    return quote(value, safe="")


def in_url_as_is(value: str) -> str:
    """Return `value` percent-encoded where a URL could not hold it at all; its punctuation stays."""
    check_body(value, "value")
    return html.escape(quote(value, safe=URL_PUNCTUATION), quote=True)


def url_start(value: str) -> str:
    """Return `value` safe as the start of a URL attribute, `#` where its scheme could run code."""
    text = value.strip()
    return entities(text) if _HARMLESS.match(text) else "#"


def url_start_unquoted(value: str) -> str:
    """Return `url_start(value)` for an attribute without quotes."""
    return url_start(value).translate(_UNQUOTED)


def in_script(value: str) -> str:
    """Return `value` safe inside a string of JSON or JavaScript in a script element."""
    check_body(value, "value")
    return json.dumps(value)[1:-1].translate(_JSON_IN_HTML)


# Values that need nothing done: neither the place's escapes nor quoted-printable, nor a second line. A dot or
# `From ` at the start of a line is left to the slow path.
_PLAIN = re.compile(r"(?!From )[!-\-/-<>-~][ -<>-~]{0,74}")
_HTML = re.compile(r"(?!From )[A-Za-z0-9!#-%(-\-/:;@\[-_{-~][A-Za-z0-9 !#-%(-/:;?@\[-_{-~]{0,74}")
_BARE = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,74}")
_WEB = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$()*+,;%-]{1,66}")

ESCAPES: Final[dict[Place, tuple[Callable[[str], str], re.Pattern[str]]]] = {
    Place.PLAIN: (plain, _PLAIN),
    Place.HTML: (entities, _HTML),
    Place.UNQUOTED: (unquoted, _BARE),
    Place.URL: (in_url, _BARE),
    Place.URL_AS_IS: (in_url_as_is, _BARE),
    Place.URL_START: (url_start, _WEB),
    Place.URL_START_UNQUOTED: (url_start_unquoted, _WEB),
    Place.SCRIPT: (in_script, _BARE),
    Place.TRUSTED: (entities, _WEB),
}
"""For each place: the escape, and the pattern of values that pass unchanged as one quoted-printable line."""
