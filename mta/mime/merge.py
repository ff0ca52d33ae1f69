"""Merge fields: `{{name}}`, `{{{name}}}` (as is) and `{{name|default text}}` found in a template, once.

A text is split into a skeleton, where each merge field is one NUL (refused everywhere else), and the list of
its fields. So whatever reads the skeleton, such as the HTML scanner, meets no brace, quote or default text.
"""

import re
from dataclasses import dataclass
from typing import Final

from mta.mime.characters import check_body, check_header
from mta.mime.document import ContentError

MARK: Final = "\0"
MAX_FIELDS: Final = 500
"""Different merge fields of one document."""

# Built-ins stand after the document's own fields in a recipient's values, so they count from the end.
EMAIL, NAME, UNSUBSCRIBE, VIEW, OPEN = -5, -4, -3, -2, -1
BUILT_IN: Final = {"email": EMAIL, "name": NAME, "unsubscribe_url": UNSUBSCRIBE, "view_url": VIEW}
BUILT_INS: Final = 5

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Field:
    """A merge field of a document; `default` is None where at least one place has none, so it is required."""

    name: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """One place of a merge field: which value goes there, and what stands in for an empty one."""

    source: int  # index into the fields, or one of the built-ins
    default: str
    as_is: bool


class Names:
    """Gives each merge field of a document its number, in order of first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._defaults: list[str | None] = []

    def number(self, name: str, default: str | None) -> int:
        """Return the number of this field, a new one if it is new."""
        if name in BUILT_IN:
            return BUILT_IN[name]
        known = self._numbers.setdefault(name, len(self._defaults))
        if known == len(self._defaults):
            self._defaults.append(default)
        elif default is None:
            self._defaults[known] = None
        return known

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields so far."""
        return tuple(Field(name, self._defaults[n]) for name, n in self._numbers.items())


def split(text: str, part: str, names: Names | None, *, header: bool = False) -> tuple[str, list[Mark]]:
    """Return the skeleton of `text` and its marks; with `names` None the text holds no merge fields.

    Raises ContentError with `part` as its field: malformed merge syntax, or a character that cannot be sent.
    """
    (check_header if header else check_body)(text, part)
    if names is None:
        return text, []
    pieces: list[str] = []
    marks: list[Mark] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        as_is = text.startswith("{", start + 2)
        opened, closing = start + 2 + as_is, "}}}" if as_is else "}}"
        end = text.find(closing, opened)
        if end < 0:
            raise ContentError(
                part, f"has {_shown(text, start)} without {closing} after it; close the merge field"
            )
        name, bar, default = text[opened:end].partition("|")
        name = name.strip(" ")
        if not _NAME.fullmatch(name):
            raise ContentError(
                part,
                f"has {_shown(text, start)} with no merge field name; write it like {{{{first_name}}}} "
                "(a letter first, then letters, digits, `_`, `.` and `-`, at most 64)",
            )
        number = names.number(name, default.strip(" ") if bar else None)
        if number >= MAX_FIELDS:
            raise ContentError(part, f"has more than {MAX_FIELDS} different merge fields; use fewer")
        pieces += (text[at:start], MARK)
        marks.append(Mark(number, default.strip(" "), as_is))
        at = end + len(closing)
    pieces.append(text[at:])
    return "".join(pieces), marks


def _shown(text: str, start: int) -> str:
    return repr(text[start : start + 40])
