"""A body ready to be filled: byte segments with known gaps, joined once per message.

All that recipients share is encoded when the content is compiled. Per message the gaps of a copied list are
filled and the list is joined; what follows the last gap and is large (attachments) is never copied.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Final

from mta.mime.escape import ESCAPES
from mta.mime.items import Choice, Click, Resolved, Slot
from mta.mime.quoted import LINE, SOFT, finisher, piece, quote, trimmed
from mta.mime.transfer import base64_lines

LARGE: Final = 16 * 1024
"""A shared segment at the end of a body that is at least as long is handed out as it is, not copied."""

# The last line of a click prefix leaves room for the link's number, a quotation mark and a soft line break.
_PREFIX_LINE: Final = LINE - len('/9999"=')

_FINISH: Final = {place: finisher(escape, plain) for place, (escape, plain) in ESCAPES.items()}


@dataclass(frozen=True, slots=True)
class Quoted:
    """A part in quoted-printable."""

    items: Sequence[Resolved]


@dataclass(frozen=True, slots=True)
class Base64:
    """A text part in base64, encoded as a whole once its values are in."""

    items: Sequence[Resolved]

    def encoded(self, values: Sequence[str], click: str) -> bytes:
        """Return the part for these values."""
        return base64_lines(assembled(self.items, values, click).encode())


Chunk = bytes | Quoted | Base64


def assembled(items: Sequence[Resolved], values: Sequence[str], click: str) -> str:
    """Return the text that these items make, not yet transfer-encoded."""
    prefix = escape(click, quote=True)
    out: list[str] = []
    for item in items:
        if isinstance(item, str):
            out.append(item)
        elif isinstance(item, Slot):
            out.append(item.text(values))
        elif isinstance(item, Click):
            out += (prefix, item.after)
        elif item.tracked(values):
            out += (item.before, prefix, item.click.after)
        else:
            out.append(item.text(values))
    return "".join(out)


class Layout:
    """One of the bodies a content can have: `fill` makes a recipient's."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        """Take the body's chunks in their order."""
        self._segments: list[bytes] = []
        self._slots: list[tuple[int, int, str, Callable[[str], bytes]]] = []
        self._clicks: list[int] = []
        self._choices: list[tuple[int, Choice, bytes, bytes]] = []
        self._parts: list[tuple[int, Base64]] = []
        self._static: list[bytes] = []
        for chunk in chunks:
            if isinstance(chunk, bytes):
                self._static.append(chunk)
            elif isinstance(chunk, Quoted):
                self._quoted(chunk.items)
            elif any(not isinstance(item, str) for item in chunk.items):
                self._parts.append((self._gap(), chunk))
            else:
                self._static.append(chunk.encoded((), ""))
        self._tail = [b"".join(self._static)]
        if any(len(chunk) >= LARGE for chunk in self._static):
            self._tail = self._static
        else:
            self._segments += self._tail
            self._tail = []
        # A body that ends with a value may end with its empty lines; a multipart ends with its boundary.
        last = chunks[-1]
        self._trim = isinstance(last, Quoted) and len(last.items) > 1 and last.items[-1] == "\r\n"
        self.size = sum(map(len, self._segments)) + sum(map(len, self._tail))
        self.gaps = len(self._slots) + len(self._clicks) + len(self._choices)
        # A value that stands in several places of a kind is finished once.
        places: dict[tuple[int, str, Callable[[str], bytes]], list[int]] = {}
        for index, source, default, finish in self._slots:
            places.setdefault((source, default, finish), []).append(index)
        self._fills = [(*key, indexes) for key, indexes in places.items()]

    def fill(self, values: Sequence[str], click: str) -> tuple[list[bytes], bytes]:
        """Return a recipient's body and its SHA-256; `values` end with the built-ins.

        Raises ContentError when a value holds what cannot be sent.
        """
        out = self._segments.copy()
        for source, default, finish, indexes in self._fills:
            finished = finish(values[source] or default)
            for index in indexes:
                out[index] = finished
        if click:
            prefix = quote(escape(click, quote=True), _PREFIX_LINE)
            for index in self._clicks:
                out[index] = prefix
            for index, choice, before, after in self._choices:
                tracked = choice.tracked(values)
                out[index] = before + prefix + after if tracked else piece(choice.text(values))
        for index, part in self._parts:
            out[index] = part.encoded(values, click)
        body = b"".join(out)
        if self._trim:
            body = trimmed(body)
        digest = sha256(body)
        if not self._tail:
            return [body], digest.digest()
        for segment in self._tail:
            digest.update(segment)
        return [body, *self._tail], digest.digest()

    def _gap(self) -> int:
        """Close the segment under way and return the index of a new gap after it."""
        self._segments.append(b"".join(self._static))
        self._static = []
        self._segments.append(b"")
        return len(self._segments) - 1

    def _quoted(self, items: Sequence[Resolved]) -> None:
        for item in items:
            if isinstance(item, str):
                self._static.append(piece(item))
            elif isinstance(item, Slot):
                self._slots.append((self._gap(), item.source, item.default, _FINISH[item.place]))
            elif isinstance(item, Click):
                self._clicks.append(self._gap())
                self._static.append(_after(item))
            else:
                before = piece(item.before)
                self._choices.append((self._gap(), item, before, _after(item.click)))


def _after(click: Click) -> bytes:
    """Return what follows a click prefix on its line, whose end must not be the end of the text line."""
    return quote(click.after) + SOFT
