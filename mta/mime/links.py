"""Link targets: what an href of a template means as a URL, and which of them are tracked.

Tracked are `http` and `https` targets, and those that are a merge value as a whole, which show only when
rendered what they are. A link that holds `{{unsubscribe_url}}` or `{{view_url}}` never is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from urllib.parse import quote

from mta.mime.escape import URL_PUNCTUATION
from mta.mime.merge import BUILT_INS, MARK, UNSUBSCRIBE, VIEW, Mark

_REFERENCE = re.compile(r"&(?:#(?:[xX][0-9a-fA-F]+|[0-9]+);?|([A-Za-z][A-Za-z0-9]*+)(;?)(=?))")
# Browsers drop these inside a URL and around it (URL standard, section 4.4).
_DROPPED = re.compile(r"[\t\r\n]")
_WEB = re.compile(r"https?://[^/?#]", re.I)


@dataclass(frozen=True, slots=True)
class Hole:
    """A merge field in a link target; `start` where it is the beginning of the URL and is put in as it is."""

    mark: Mark
    start: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A tracked link's target, whose merge fields are filled when somebody clicks."""

    pieces: tuple[str | Hole, ...]

    @property
    def first(self) -> Mark | None:
        """The field the target begins with, whose value decides whether the link is tracked."""
        hole = self.pieces[0]
        return hole.mark if isinstance(hole, Hole) else None

    def url(self, values: Sequence[str]) -> str:
        """Return the target for these values, built-ins last; raise LookupError if it is no http or https URL."""
        made = "".join(piece if isinstance(piece, str) else _filled(piece, values) for piece in self.pieces)
        made = _DROPPED.sub("", made).strip()
        if not _WEB.match(made):
            raise LookupError("this link leads to no http or https address for this recipient")
        return made


def web(value: str) -> bool:
    """Return whether a whole-URL merge value is an http or https address, so that its link is tracked."""
    return _WEB.match(_DROPPED.sub("", value).strip()) is not None


def link_of(value: str, marks: Sequence[Mark]) -> Link | None:
    """Return the link whose href has this skeleton and these marks, None if it is not tracked."""
    if any(mark.source in (UNSUBSCRIBE, VIEW) for mark in marks):
        return None
    target = _DROPPED.sub("", unescape_attribute(value)).strip()
    whole = target.startswith(MARK)
    if whole:
        if -BUILT_INS <= marks[0].source < 0:
            return None  # an address or a name is no URL
    elif not _WEB.match(target.replace(MARK, "x")):
        return None
    pieces: list[str | Hole] = []
    for n, text in enumerate(target.split(MARK)):
        if n:
            pieces.append(Hole(marks[n - 1], whole and n == 1))
        if text:
            pieces.append(text)
    return Link(tuple(pieces))


def unescape_attribute(value: str) -> str:
    """Return an attribute value with its character references replaced (HTML standard, section 13.2.5.73).

    Unlike in text, `&copy=1` and `&copyright` stay: a name without `;` counts only where it cannot be a URL's
    own parameter.
    """
    return _REFERENCE.sub(_character, value) if "&" in value else value


def _character(found: re.Match[str]) -> str:
    name, semicolon, equals = found[1], found[2], found[3]
    if name is None:
        return unescape(found[0])
    if semicolon:
        return html5[name + ";"] + equals if name + ";" in html5 else found[0]
    return found[0] if equals or name not in html5 else html5[name]


def _filled(hole: Hole, values: Sequence[str]) -> str:
    value = values[hole.mark.source] or hole.mark.default
    if hole.start:
        return value
    return quote(value, safe=URL_PUNCTUATION if hole.mark.as_is else "")
