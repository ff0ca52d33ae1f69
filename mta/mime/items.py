"""A body as a list of items: texts, merge values, tracked links and the beacon, in their order.

From one list come four bodies, with clicks and opens tracked or not: `resolve` says what stands where in each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final, TypeAlias

from mta.mime.characters import crlf
from mta.mime.escape import ESCAPES, IN_URL, Place
from mta.mime.html import scan
from mta.mime.links import Link, link_of, web
from mta.mime.merge import MARK, OPEN, Mark

MAX_LINKS: Final = 9999
"""Tracked links of one document; those after them keep their own address."""

# No text for a screen reader, no size on the page.
_BEACON: Final = ('<img src="', '" width="1" height="1" alt="" style="border:0;width:1px;height:1px">')


@dataclass(frozen=True, slots=True)
class Slot:
    """A merge value in its place."""

    source: int
    default: str
    place: Place

    def text(self, values: Sequence[str]) -> str:
        """Return the escaped value."""
        return ESCAPES[self.place][0](values[self.source] or self.default)


@dataclass(frozen=True, slots=True)
class Click:
    """The place of a click URL: its recipient's prefix, then what comes `after` it, always the same."""

    after: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A link that is one whole merge value: tracked if that is an http or https URL, else left as it is."""

    source: int
    default: str
    before: str
    click: Click
    original: tuple["str | Slot", ...]

    def tracked(self, values: Sequence[str]) -> bool:
        """Return whether this recipient's link is tracked."""
        return web(values[self.source] or self.default)

    def text(self, values: Sequence[str]) -> str:
        """Return the untracked href."""
        return "".join(item if isinstance(item, str) else item.text(values) for item in self.original)


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracked link's href: number `number` of its document."""

    number: int
    quoted: bool
    link: Link
    original: tuple["str | Slot", ...]


@dataclass(frozen=True, slots=True)
class Beacon:
    """The place of the open beacon."""


Item: TypeAlias = str | Slot | Tracked | Beacon
Resolved: TypeAlias = str | Slot | Click | Choice


def text_items(skeleton: str, marks: Sequence[Mark]) -> list[Item]:
    """Return the items of a text/plain body. Its links are never tracked: they would not be readable."""
    return list(_between(_ended(skeleton), ((mark, Place.PLAIN) for mark in marks)))


def html_items(skeleton: str, marks: Sequence[Mark]) -> list[Item]:
    """Return the items of an HTML body, untouched but for its links and the beacon."""
    skeleton = _ended(skeleton)
    found = scan(skeleton)
    holes = zip(marks, map(_place, marks, found.places), strict=True)
    items: list[Item] = []
    at = number = 0
    beacon = min(found.beacon, len(skeleton) - len("\r\n"))
    for target in [*found.targets, None]:
        end = target.start if target else len(skeleton)
        if at <= beacon < end:
            items += (*_between(skeleton[at:beacon], holes), Beacon())
            at = beacon
        items += _between(skeleton[at:end], holes)
        if target is None:
            break
        value = skeleton[target.start : target.end]
        held = list(islice(holes, value.count(MARK)))
        link = link_of(value, [mark for mark, _ in held]) if number < MAX_LINKS else None
        original = _between(value, iter(held))
        if link is None:
            items += original
        else:
            items.append(Tracked(number, target.quoted, link, tuple(original)))
            number += 1
        at = target.end
    return items


def resolve(items: Sequence[Item], *, clicks: bool, opens: bool) -> list[Resolved]:
    """Return the items with links and beacon decided, neighbouring texts joined."""
    found: list[Resolved] = []
    for item in items:
        if isinstance(item, Beacon):
            if opens:
                found += (_BEACON[0], Slot(OPEN, "", Place.TRUSTED), _BEACON[1])
        elif not isinstance(item, Tracked):
            found.append(item)
        elif not clicks:
            found += item.original
        else:
            # A value without quotes gets some: what follows it is then never taken for part of the URL.
            quote = "" if item.quoted else '"'
            click = Click(f"/{item.number}{quote}")
            first = item.link.first
            if first is None:
                found += (quote, click)
            else:
                found.append(Choice(first.source, first.default, quote, click, item.original))
    return _joined(found)


def _joined(items: Sequence[Resolved]) -> list[Resolved]:
    joined: list[Resolved] = []
    for texts, group in groupby(items, lambda item: isinstance(item, str)):
        if not texts:
            joined += group
        elif text := "".join(item for item in group if isinstance(item, str)):
            joined.append(text)
    return joined


def _between(skeleton: str, holes: Iterator[tuple[Mark, Place]]) -> list[str | Slot]:
    """Return the items of a stretch of skeleton, taking one hole for each MARK in it."""
    first, *others = skeleton.split(MARK)
    items: list[str | Slot] = [first] if first else []
    for text, (mark, place) in zip(others, holes, strict=False):
        items.append(Slot(mark.source, mark.default, place))
        if text:
            items.append(text)
    return items


def _place(mark: Mark, place: Place) -> Place:
    if not mark.as_is:
        return place
    if place is Place.URL:
        return Place.URL_AS_IS
    return place if place in IN_URL else Place.PLAIN


def _ended(skeleton: str) -> str:
    """Return the text with CRLF line ends and exactly one at its end."""
    return crlf(skeleton).rstrip("\r\n") + "\r\n"
