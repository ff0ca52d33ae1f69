"""Reads HTML only to say where things are: link targets, the beacon's place, and where merge fields stand.

The text is never parsed into a tree and written again, so what is not meant to change does not. The scanner
follows the HTML standard's tokenizer (section 13.2.5) where mail needs it, takes any text without an error, and
in linear time: each character is passed over a bounded number of times.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from mta.mime.escape import Place
from mta.mime.merge import MARK

_WORD = re.compile(r"[A-Za-z][^\t\n\f\r />]*+")
_GAP = re.compile(r"[\t\n\f\r /]*+")
_ATTRIBUTE = re.compile(r"=?[^\t\n\f\r />=]*+")
_EQUALS = re.compile(r"[\t\n\f\r ]*+=[\t\n\f\r ]*+")
_UNQUOTED = re.compile(r"[^\t\n\f\r >]*+")
_SPACE = "\t\n\f\r "
_CONDITION = re.compile(r"\[if[^\]>]{0,200}\]>", re.I)
_RAW: Final = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.I | re.A)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_URLS: Final = frozenset(
    (
        "href",
        "src",
        "srcset",
        "action",
        "formaction",
        "background",
        "poster",
        "cite",
        "longdesc",
        "xlink:href",
    )
)
_LINKS: Final = frozenset(("a", "area"))


@dataclass(frozen=True, slots=True)
class Target:
    """Where the value of a link's href stands, without its quotes; `quoted` is False where it has none."""

    start: int
    end: int
    quoted: bool


@dataclass(slots=True)
class Scan:
    """What was found: link targets, a place for each MARK, in their order, and where the beacon goes."""

    targets: list[Target] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    beacon: int = 0


def scan(text: str) -> Scan:
    """Return what `text` holds. Links with `data-mta-track="off"` or inside comments are not among them.

    The beacon goes before the last `</body>`, else to the end, or before what the text leaves unfinished there.
    """
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found = Scan()
        self.body = -1  # where the last </body> starts
        self.marked = 0  # up to here the places of marks are known
        self.comment_ends = _Next(text, "-->"), _Next(text, "--!>")
        self.section_end = _Next(text, "]]>")

    def run(self) -> Scan:
        unfinished = self.region(0, len(self.text), hidden=False)
        self.mark(len(self.text), Place.HTML)
        self.found.beacon = self.body if self.body >= 0 else unfinished
        return self.found

    def mark(self, end: int, place: Place) -> None:
        """Say in which place the marks up to `end` are."""
        count = self.text.count(MARK, self.marked, end)
        if count:
            self.found.places += [place] * count
        self.marked = end

    def region(self, at: int, end: int, *, hidden: bool) -> int:
        """Read from `at` to `end`; return `end`, or where a construct starts that does not end before it."""
        text = self.text
        while (start := text.find("<", at, end)) >= 0:
            following = text[start + 1 : start + 2]
            if following == "!":
                at = self.declaration(start, end, hidden=hidden)
            elif following == "?":
                at = text.find(">", start, end) + 1
            elif following == "/" or (following.isascii() and following.isalpha()):
                self.mark(start, Place.HTML)
                at = self.tag(start, end, hidden=hidden)
            else:
                at = start + 1
            if at <= 0:
                return start
        return end

    def declaration(self, start: int, end: int, *, hidden: bool) -> int:
        """Pass over a comment, CDATA section or doctype; return where it ends, 0 if it does not."""
        text = self.text
        if text.startswith("<!--", start):
            if text.startswith((">", "->"), start + 4):
                return text.index(">", start) + 1
            ends = [(at, len(one.wanted)) for one in self.comment_ends if (at := one.after(start + 4)) >= 0]
            close, width = min(ends, default=(end, 1))
            if close + width > end:
                return 0
            # What stands in a conditional comment is read by one program as HTML, so values there need the
            # escapes of HTML; its links stay as they are.
            condition = None if hidden else _CONDITION.match(text, start + 4, close)
            if condition:
                self.mark(condition.end(), Place.HTML)
                self.region(condition.end(), close, hidden=True)
            self.mark(close, Place.HTML)
            return close + width
        if text.startswith("<![CDATA[", start):
            close = self.section_end.after(start + 9)
            if 0 <= close <= end - 3:
                return close + 3
        return text.find(">", start, end) + 1

    def tag(self, start: int, end: int, *, hidden: bool) -> int:
        """Read a start or end tag, and the content of a raw text element; return where it ends, 0 if nowhere."""
        text = self.text
        closing = text.startswith("/", start + 1)
        word = _WORD.match(text, start + 1 + closing, end)
        if word is None:  # `</` before no letter: a bogus comment, or text
            return text.find(">", start, end) + 1
        name = word[0].lower()
        link = name in _LINKS and not closing and not hidden
        target: Target | None = None
        tracked = True
        at = word.end()
        while True:
            at = self.gap(at, end)
            if at >= end:
                self.mark(end, Place.UNQUOTED)
                return 0
            if text[at] == ">":
                at += 1
                break
            attribute = _ATTRIBUTE.match(text, at, end)
            assert attribute
            key = attribute[0].lower()
            equals = _EQUALS.match(text, attribute.end(), end)
            if equals is None:
                at = attribute.end()
                if link and key == "href" and target is None:
                    target = Target(at, at, True)
                continue
            self.mark(equals.end(), Place.UNQUOTED)
            value, at = self.value(equals.end(), end)
            if value is None:
                self.mark(end, Place.HTML)
                return 0
            self.mark_value(value, key)
            if link and key == "href" and target is None:
                target = value
            elif link and key == "data-mta-track":
                tracked = text[value.start : value.end].strip(_SPACE).lower() != "off"
        self.mark(at, Place.UNQUOTED)
        if target is not None and tracked:
            self.found.targets.append(target)
        if closing:
            if name == "body" and not hidden:
                self.body = start
        elif name in _RAW:
            return self.raw(name, at, end)
        return at

    def gap(self, at: int, end: int) -> int:
        gap = _GAP.match(self.text, at, end)
        assert gap
        return gap.end()

    def value(self, at: int, end: int) -> tuple[Target | None, int]:
        """Return the attribute value that starts at `at`, None if it does not end, and where to read on."""
        quote = self.text[at : at + 1] if at < end else ""
        if quote in ('"', "'"):
            close = self.text.find(quote, at + 1, end)
            return (None, end) if close < 0 else (Target(at + 1, close, True), close + 1)
        bare = _UNQUOTED.match(self.text, at, end)
        assert bare
        return Target(at, bare.end(), False), bare.end()

    def mark_value(self, value: Target, key: str) -> None:
        """Say in which place the marks of an attribute value are."""
        self.mark(value.start, Place.UNQUOTED)
        if key in _URLS:
            first = value.start
            while first < value.end and self.text[first] in _SPACE:
                first += 1
            if self.text.startswith(MARK, first, value.end):
                self.mark(first + 1, Place.URL_START if value.quoted else Place.URL_START_UNQUOTED)
            self.mark(value.end, Place.URL)
        else:
            self.mark(value.end, Place.HTML if value.quoted else Place.UNQUOTED)

    def raw(self, name: str, at: int, end: int) -> int:
        """Pass over the content of a raw text element; return where its end tag starts, 0 if there is none."""
        close = _RAW[name].search(self.text, at, end)
        self.mark(close.start() if close else end, Place.SCRIPT if name == "script" else Place.HTML)
        return close.start() if close else 0


class _Next:
    """The next place of a text, asked for at growing positions: each part of the text is searched once."""

    def __init__(self, text: str, wanted: str) -> None:
        self._text = text
        self.wanted = wanted
        self._at = -2

    def after(self, at: int) -> int:
        """Return the first place at or after `at`, -1 if there is none."""
        if self._at != -1 and self._at < at:
            self._at = self._text.find(self.wanted, at)
        return self._at
