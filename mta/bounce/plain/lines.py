"""Addresses in lines of text, found outward from their `@` so that no text makes it slow."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_LINE: Final = 2000  # characters looked at
MAX_FOUND: Final = 20  # addresses of one line

_LOCAL_END = re.compile(r"(?:\"[^\"\s@]{1,62}\"|[^\s<>()\[\],;:\"@\\|]{1,64})\Z")
_DOMAIN = re.compile(r"\[[0-9A-Fa-f.:IPv]{3,45}\]|\w[\w-]{0,62}(?:\.\w[\w-]{0,62}){0,10}")


class Found(NamedTuple):
    """An address and where it stands; `end` is past it and its closing bracket."""

    address: str
    start: int
    end: int


def addresses(line: str) -> Iterator[Found]:
    """Yield the mail addresses of a line from the left."""
    line = line[:MAX_LINE]
    at = line.find("@")
    for _ in range(MAX_FOUND):
        if at < 0:
            return
        local = _LOCAL_END.search(line, max(0, at - 64), at)
        domain = _DOMAIN.match(line, at + 1)
        if local and domain:
            name = local[0].lstrip("'`=*")
            if name[:5].lower() == "smtp=":  # in an X.400 name
                name = name[5:]
            if name and not name.startswith(".") and name.isprintable():
                start = at - len(name)
                end = domain.end()
                yield Found(f"{name}@{domain[0]}", start, end + (line[end : end + 1] == ">"))
        at = line.find("@", domain.end() if domain else at + 1)


def first(text: str) -> str:
    """Return the first address of a text, or an empty string."""
    return next((found.address for found in addresses(text)), "")
