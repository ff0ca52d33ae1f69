"""The data subject: whose data is to go, and what a text, an event or a line of a file looks like without them.

The term is that of the GDPR (Regulation (EU) 2016/679 article 4). Letter case does not tell two people apart here: the
suppression lists think so, too, and an address that was retyped is still the same person's.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

GONE: Final = "erased"
"""What stands where an address stood, and the field that says so in an event."""
PERSONAL: Final = frozenset({"rcpt", "ref", "ip", "agent", "url", "reporter"})
"""Fields of an event about the person that go as a whole."""
_TEXTS: Final = frozenset({"reply", "why", "reason"})
"""Fields in which a stranger may have written the local part alone."""
_SHORTEST: Final = 3  # a local part of one or two letters stands in any text by chance
_BEFORE = r"(?<![A-Za-z0-9._+-])"
_AFTER = r"(?![A-Za-z0-9-])(?!\.[A-Za-z0-9])"
# Of the lines of a mail log, and of what the web keeps for later: the same fields as above.
_VALUES = re.compile(rb'("?\b(?:ref|ip|agent|url|reporter)"?[=:]")((?:[^"\\]|\\.)*)(?=")')


def folded(address: str) -> str:
    """Return the form in which addresses are compared here: ASCII letters in lower case, as Redis can do it."""
    return address.encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")


def _patterns(address: str) -> str:
    spellings = {address, json.dumps(address)[1:-1]}
    # In the query of a URL the sign is often written as %40, and a plus as %2B.
    parts = [re.escape(one).replace("@", "(?:@|%40)").replace(r"\+", r"(?:\+|%2B)") for one in spellings]
    return f"{_BEFORE}(?:{'|'.join(sorted(parts))}){_AFTER}"


@dataclass(frozen=True, slots=True)
class DataSubject:
    """A person by address; `tenant` empty: their data with every tenant, else with this one alone."""

    address: str
    tenant: str = ""
    _text: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _bytes: re.Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern = _patterns(self.address)
        object.__setattr__(self, "_text", re.compile(pattern, re.IGNORECASE))
        object.__setattr__(self, "_bytes", re.compile(pattern.encode(), re.IGNORECASE))

    def is_of(self, address: str) -> bool:
        """Whether an address is this person's."""
        return folded(address.strip()) == folded(self.address)

    def concerns(self, tenant: str) -> bool:
        """Whether data of this tenant is meant."""
        return self.tenant in ("", tenant)

    def stands_in(self, text: str | bytes) -> bool:
        """Whether the address stands in a text, by itself and not as the end of a longer one."""
        if isinstance(text, bytes):
            return self._bytes.search(text) is not None
        return self._text.search(text) is not None

    def without(self, text: str) -> str:
        """Return a text with another word in the address's place."""
        return self._text.sub(GONE, text)

    def event(self, fields: Mapping[str, str]) -> dict[str, str] | None:
        """Return an event without the person, and with `erased`; None when nothing of them stands in it.

        What became of the message stays: the totals, and the promise of one final event, hold without a name.
        """
        if not self.concerns(fields.get("tenant", "")):
            return None
        own = self.is_of(fields.get("rcpt", ""))
        if not own and not any(self.stands_in(value) for value in fields.values()):
            return None
        out = {name: self.without(value) for name, value in fields.items() if not (own and name in PERSONAL)}
        local = folded(self.address.rpartition("@")[0])
        if own and len(local) >= _SHORTEST:
            out = {n: v for n, v in out.items() if n not in _TEXTS or local not in folded(v)}
        return out | {GONE: "1"}

    def masked(self, raw: bytes) -> bytes:
        """Return bytes of the same length with the address starred out: for what others hold open, or count in."""
        return self._bytes.sub(lambda found: b"*" * len(found[0]), raw)

    def masked_line(self, line: bytes) -> bytes:
        """As `masked`, for a line about the person: what tells more of them is starred out as well."""
        if not self.stands_in(line):
            return line
        return _VALUES.sub(lambda found: found[1] + b"*" * len(found[2]), self.masked(line))
