"""What a checker wants to know of a page: links with their words, pictures, words in all, tags that mail strips.

Read with the standard library's parser, unlike what `mta.mime.html` does for sending: a second reader finds what
the first may take differently, and nothing is written from it.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

MAX_KEPT: Final = 10_000
"""Links, and pictures, that are kept of one page."""

STRIPPED: Final = frozenset(("script", "form", "iframe", "object", "embed", "applet", "base"))
"""Elements that webmail takes out (caniemail.com lists each with the programs that do)."""
_UNSEEN = frozenset(("style", "script", "title", "template"))


@dataclass(slots=True)
class Anchor:
    """A link: its target as written, entities resolved, and the words a reader sees."""

    href: str
    words: str = ""
    pictures: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """An image: its address, and its alternative text, None where the attribute is missing."""

    src: str
    alt: str | None


@dataclass(slots=True)
class Outline:
    """A page as far as a checker needs it."""

    anchors: list[Anchor] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    stripped: set[str] = field(default_factory=set)
    stylesheets: int = 0
    words: str = ""


def outline(page: str) -> Outline:
    """Return the outline of an HTML page; takes any text."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.found.words = " ".join("".join(reader.words).split())
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Outline()
        self.words: list[str] = []
        self.open: Anchor | None = None
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(reversed(attrs))  # the first of two attributes of one name counts
        if tag in STRIPPED:
            self.found.stripped.add(tag)
        if tag in _UNSEEN:
            self.unseen += 1
        if tag in ("a", "area") and "href" in known and len(self.found.anchors) < MAX_KEPT:
            self.open = Anchor(known["href"] or "")
            self.found.anchors.append(self.open)
        elif tag == "img":
            if len(self.found.pictures) < MAX_KEPT:
                alt = (known["alt"] or "") if "alt" in known else None
                self.found.pictures.append(Picture(known.get("src") or "", alt))
            if self.open is not None:
                self.open.pictures += 1
        elif tag == "link" and "stylesheet" in (known.get("rel") or "").lower():
            self.found.stylesheets += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN and self.unseen:
            self.unseen -= 1
        elif tag == "a":
            self.open = None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in _UNSEEN and self.unseen:
            self.unseen -= 1

    def handle_data(self, data: str) -> None:
        if self.unseen:
            return
        self.words.append(data)
        if self.open is not None:
            self.open.words += data
