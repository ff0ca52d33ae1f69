"""MTA-STS (RFC 8461) without the fetching: its TXT record, its policy file, and how long a policy holds."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mta.policy.names import matches

MOST_BYTES = 64 * 1024  # of a policy file (section 3.3)
MOST_AGE = 31_557_600  # seconds, a year (section 3.2)
MOST_PATTERNS = 256
Mode = Literal["enforce", "testing", "none"]
_MODES: dict[str, Mode] = {"enforce": "enforce", "testing": "testing", "none": "none"}

_RECORD = re.compile(r"v=STSv1[ \t]*;", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_AGE = re.compile(r"[0-9]{1,10}")
_PATTERN = re.compile(r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{1,63}")


class BadPolicy(ValueError):
    """A policy file that says nothing that could be kept to; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain asks of those who send to it; `mx` are patterns, `max_age` seconds."""

    mode: Mode
    mx: tuple[str, ...]
    max_age: int

    def allows(self, host: str) -> bool:
        """Return whether an MX host is one of the policy's (section 4.1)."""
        return any(matches(pattern, host) for pattern in self.mx)

    @property
    def lines(self) -> tuple[str, ...]:
        """The policy as a TLS report quotes it (RFC 8460 section 4.4, policy-string)."""
        patterns = (f"mx: {one}" for one in self.mx)
        return ("version: STSv1", f"mode: {self.mode}", *patterns, f"max_age: {self.max_age}")


@dataclass(frozen=True, slots=True)
class Held:
    """A policy as it is kept: under which id it was announced, and when it was fetched (seconds since 1970)."""

    policy: Policy
    id: str
    fetched_at: float

    def holds(self, now: float) -> bool:
        """Return whether it still binds us; a clock that went backwards does not end it."""
        return now < self.fetched_at + self.policy.max_age

    def due(self, now: float) -> bool:
        """Return whether it should be fetched again: half of its time is over, or a day (section 3.3)."""
        return now >= self.fetched_at + min(self.policy.max_age / 2, 86400.0)

    def packed(self) -> str:
        """Return it as a document for a cache that others share."""
        policy = self.policy
        return json.dumps([1, self.id, self.fetched_at, policy.mode, policy.max_age, list(policy.mx)])


def unpacked(document: str) -> Held | None:
    """Return what `Held.packed` made; None for anything else, which is then fetched again."""
    try:
        form, name, fetched_at, word, max_age, mx = json.loads(document)
        mode = _MODES.get(word)
        if form != 1 or mode is None:
            return None
        return Held(Policy(mode, tuple(map(str, mx)), int(max_age)), str(name), float(fetched_at))
    except (ValueError, TypeError):
        return None


def announced(texts: Sequence[str]) -> str:
    """Return the id in the TXT records of `_mta-sts.<domain>`; empty when there is not exactly one (section 3.1)."""
    records = [text for text in texts if _RECORD.match(text)]
    if len(records) != 1:
        return ""
    for part in records[0].split(";")[1:]:
        key, equals, value = part.strip(" \t").partition("=")
        if equals and key == "id":
            return value if _ID.fullmatch(value) else ""
    return ""


def parse(text: str) -> Policy:
    """Return the Policy of a policy file (section 3.2); raise BadPolicy.

    Of a field that is repeated the first counts, save `mx`; unknown fields are passed over.
    """
    if len(text) > MOST_BYTES:
        raise BadPolicy(f"the policy has over {MOST_BYTES} characters")
    fields: dict[str, str] = {}
    mx: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        key, colon, value = line.partition(":")
        if not colon:
            continue
        value = value.strip(" \t")
        if key == "mx":
            mx.append(value.lower().removesuffix("."))
        else:
            fields.setdefault(key.strip(" \t"), value)
    if fields.get("version") != "STSv1":
        raise BadPolicy("the version is not STSv1")
    mode = _MODES.get(fields.get("mode", ""))
    if mode is None:
        raise BadPolicy("the mode is none of enforce, testing, none")
    if not _AGE.fullmatch(fields.get("max_age", "")):
        raise BadPolicy("max_age is not a number of seconds")
    good = tuple(dict.fromkeys(one for one in mx if _PATTERN.fullmatch(one)))[:MOST_PATTERNS]
    if not good and mode != "none":
        raise BadPolicy("no mx pattern that could match a host")
    return Policy(mode, good, min(int(fields["max_age"]), MOST_AGE))
