"""The bodies one content can have, by what is tracked; each is made when the first recipient needs it.

A receipt goes to one person: making the three bodies that nobody asks for would take longer than all the rest.
"""

from collections.abc import Callable, Sequence

from mta.mime.items import Resolved
from mta.mime.layout import Layout
from mta.mime.structure import Part

Kind = tuple[bool, bool]  # clicks tracked, opens tracked
Body = tuple[Part, Sequence[Resolved] | None]  # the whole of it, and the HTML's items


class Bodies:
    """Bodies by kind; `make` gives the same for the same kind, so threads that share this may both ask it.

    `clicks` and `opens`: whether the document allows to track them at all.
    """

    def __init__(self, make: Callable[[Kind], Body], *, clicks: bool, opens: bool) -> None:
        self._make = make
        self._allowed = clicks, opens
        self._layouts: dict[Kind, Layout] = {}
        self._pages: dict[Kind, Sequence[Resolved] | None] = {}

    def layout(self, clicks: bool, opens: bool) -> Layout:
        """Return the body for a recipient of whom clicks and opens are measured or not."""
        found = self._layouts.get((clicks, opens))
        if found is None:
            self._keep(clicks, opens)
            found = self._layouts[clicks, opens]
        return found

    def page(self, clicks: bool, opens: bool) -> Sequence[Resolved] | None:
        """Return the items of its HTML, None where there is none."""
        if (clicks, opens) not in self._pages:
            self._keep(clicks, opens)
        return self._pages[clicks, opens]

    def _keep(self, clicks: bool, opens: bool) -> None:
        kind = clicks and self._allowed[0], opens and self._allowed[1]
        if kind not in self._layouts:
            part, page = self._make(kind)
            self._pages[kind], self._layouts[kind] = page, Layout(part.chunks)
        self._pages[clicks, opens], self._layouts[clicks, opens] = self._pages[kind], self._layouts[kind]
