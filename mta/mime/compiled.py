"""Content made ready once: from here on a recipient's message costs joins, escapes and little else."""

from collections.abc import Sequence
from functools import cached_property

from mta.mime.bodies import Bodies
from mta.mime.characters import body_fault
from mta.mime.document import ContentError, Person, Rendered, Urls
from mta.mime.headers import Line, value_fault
from mta.mime.layout import assembled
from mta.mime.links import Link
from mta.mime.mailboxes import name_fault, to_field
from mta.mime.merge import BUILT_IN, Field

_BUILT_IN_NAMES = {number: name for name, number in BUILT_IN.items()}
_BARE_HEADER = 500  # what Date, To, Message-ID and a short subject come to, with room for a signature


class Compiled:
    """A document compiled by `mta.mime.compile.compile`; does not change, so tasks and threads may share it.

    `fields` are the merge fields in order of first appearance (subject, headers, text, html), without the
    built-ins `email`, `name`, `unsubscribe_url` and `view_url`. `header_fields` names those that stand in a
    header. `links` are the tracked links. `shows_view` is False when no reader could see a `view_url`.
    """

    eight_bit = False

    def __init__(
        self,
        fields: tuple[Field, ...],
        links: tuple[Link, ...],
        static: tuple[bytes, bytes | None, tuple[bytes, ...]],
        lines: tuple[Line, ...],
        bodies: Bodies,
        shows_view: bool = True,
    ) -> None:
        """Take what `compile` made; nobody else builds one."""
        self.fields = fields
        self.links = links
        self.shows_view = shows_view
        self._from, self._to, self._static = static
        self._lines = lines
        self._bodies = bodies
        self._in_header = {mark.source for line in lines for mark in line.marks}
        self.header_fields = frozenset(self._name(source) for source in self._in_header)

    @cached_property
    def size_estimate(self) -> int:
        """About a message's size in bytes, rather over."""
        largest = self._bodies.layout(True, True)
        head = sum(map(len, self._static)) + len(self._from) + len(self._to or b"") + 200 * len(self._lines)
        return largest.size + 80 * largest.gaps + head + _BARE_HEADER

    def render(
        self, person: Person, urls: Urls, date: str, message_id: str, extra: Sequence[bytes] = ()
    ) -> Rendered:
        """Return a recipient's message.

        `date` is an RFC 5322 date-time, `message_id` an id with or without its angle brackets, `extra` folded
        fields ended by CRLF. Raises ContentError naming the merge field whose value cannot be sent.
        """
        values = self._values(person, urls)
        if not date.isprintable() or not message_id.isprintable():
            raise ContentError("message_id", "and the date must hold no control characters")
        if not message_id.startswith("<"):
            message_id = f"<{message_id}>"
        fields = [
            f"Date: {date}\r\n".encode("ascii"),
            self._from,
            self._to or to_field(person.email, person.name),
            f"Message-ID: {message_id}\r\n".encode(),
            *[line.rendered(values, self._name) for line in self._lines],
            *self._static,
            *extra,
        ]
        try:
            body, digest = self._bodies.layout(urls.click != "", urls.open != "").fill(values, urls.click)
        except ContentError as error:
            raise self._blamed(values) or error from None
        return Rendered(fields, body, digest)

    def link(self, i: int, person: Person) -> str:
        """Return where tracked link `i` leads for this person; raise LookupError if there is no such link.

        The target may hold characters outside ASCII, as the template does.
        """
        if not 0 <= i < len(self.links):
            raise LookupError(f"this content has no link {i}")
        return self.links[i].url(self._values(person, Urls()))

    def html(self, person: Person, urls: Urls) -> str | None:
        """Return the HTML body as `render` sends it, not transfer-encoded; None where there is none."""
        page = self._bodies.page(urls.click != "", urls.open != "")
        if page is None:
            return None
        return assembled(page, self._values(person, urls), urls.click)

    def first_bad_value(self, values: Sequence[str], name: str = "") -> tuple[str, str] | None:
        """Return the first merge field whose value cannot be sent and why; None if all can be.

        `name` is the recipient's display name, reported as `name`.
        """
        for source, value in enumerate(values):
            why = value_fault(value) if source in self._in_header else None
            if why := why or body_fault(value):
                return self._name(source), why
        if name and (why := name_fault(name)):
            return "name", why
        return None

    def _values(self, person: Person, urls: Urls) -> list[str]:
        if len(person.values) != len(self.fields):
            raise ContentError(
                "values", f"are {len(person.values)}, but the content has {len(self.fields)} merge fields"
            )
        # The order of the built-ins in mta.mime.merge.
        return [*person.values, person.email, person.name, urls.unsubscribe, urls.view, urls.open]

    def _name(self, source: int) -> str:
        return self.fields[source].name if source >= 0 else _BUILT_IN_NAMES[source]

    def _blamed(self, values: Sequence[str]) -> ContentError | None:
        for name, value in zip([*(f.name for f in self.fields), *BUILT_IN], values, strict=False):
            if why := body_fault(value):
                return ContentError(name, why)
        return None
