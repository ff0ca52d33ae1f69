"""The cure for a name that nobody knows: the nearest one that is known. For whoever reads what people wrote by hand."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

LOOKED_AT: Final = 80  # characters of a name: comparing takes time by their square
LISTED: Final = 40


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like this one, empty when none is like it."""
    found = get_close_matches(name[:LOOKED_AT], sorted(known), n=1, cutoff=0.5)
    return found[0] if found else ""


def suggestion(name: str, known: Iterable[str], none: str = "there is none") -> str:
    """Return the cure in words: the nearest name, else the names there are; `none` says that there are none."""
    names = sorted(known)
    near = nearest(name, names)
    if near:
        return f"did you mean `{near}`?"
    return f"known here: {', '.join(names[:LISTED])}" if names else none
