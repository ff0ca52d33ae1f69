"""What a name server knows: records by name, rules for names by the thousand, and faults by name."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Records = Mapping[str, tuple[str, ...]]  # type -> data in master-file form, as "10 mx.example." for MX
Rule = Callable[[str], Records | None]  # lower-case name without a final dot -> records, or None

FAULTS = ("servfail", "refused", "drop", "truncate", "none")
MAX_DELAY_MS = 60_000


class ZoneError(ValueError):
    """A zone file says something that cannot be; the message names the member."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong for one name: an answer code, silence, or UDP answers cut short; and a delay before."""

    kind: str = "none"
    delay_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ZoneError(f"fault {self.kind!r} is none of {', '.join(FAULTS)}")
        if not 0 <= self.delay_ms <= MAX_DELAY_MS:
            raise ZoneError(f"delay_ms must lie between 0 and {MAX_DELAY_MS}")


@dataclass(slots=True)
class Zone:
    """Everything one server answers for. Names are lower-case, without a final dot.

    Exact `records` come before `rules`, which are asked in order. A name is known, so that a missing type is
    NODATA and no NXDOMAIN, when it has records or lies above a name that has (RFC 8020).
    """

    records: dict[str, Records] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    origins: tuple[str, ...] = ("test", "example")
    ttl: int = 60
    secure: bool = False  # set the AD bit, as a validating resolver does for a signed zone
    _above: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name in list(self.records):
            self._note(name)

    def add(self, name: str, records: Records) -> None:
        """Add or replace one name."""
        self.records[name] = records
        self._note(name)

    def _note(self, name: str) -> None:
        while "." in name:
            name = name.partition(".")[2]
            self._above.add(name)

    def find(self, name: str) -> Records | None:
        """Return the records of `name`, empty when only names below it exist, None when it does not exist."""
        found = self.records.get(name)
        if found is not None:
            return found
        for rule in self.rules:
            made = rule(name)
            if made is not None:
                return made
        return {} if name in self._above or name in self.origins else None

    def origin(self, name: str) -> str | None:
        """Return the origin that `name` lies in, None when the server has no authority over it."""
        for origin in self.origins:
            if name == origin or name.endswith("." + origin):
                return origin
        return None


def pattern(expression: str, records: Records) -> Rule:
    r"""Return a Rule for every name that `expression` matches as a whole.

    Data may hold groups of the match: `pattern(r"d(\d+)\.bulk\.test", {"MX": (r"10 mx\1.bulk.test.",)})`.
    """
    compiled = re.compile(expression)
    fixed = not any("\\" in text for texts in records.values() for text in texts)

    def rule(name: str) -> Records | None:
        found = compiled.fullmatch(name)
        if not found:
            return None
        if fixed:
            return records
        return {kind: tuple(found.expand(text) for text in texts) for kind, texts in records.items()}

    return rule


def numbered(suffix: str, address: str = "127.0.0.1") -> list[Rule]:
    """Return the rules for d0.<suffix>, d1.<suffix> and on without end: each has an MX host of its own."""
    tail = re.escape(suffix)
    return [
        pattern(rf"d(\d+)\.{tail}", {"MX": (rf"10 mx.d\1.{suffix}.",)}),
        pattern(rf"mx\.d(\d+)\.{tail}", {"A": (address,)}),
    ]


def load(path: Path) -> Zone:
    """Return the Zone of a JSON file; raise ZoneError naming file and member.

    {"origins": ["test"], "ttl": 60, "secure": false, "records": {"a.test": {"MX": ["10 mx.a.test."]}},
     "patterns": {"d(\\\\d+)\\\\.b\\\\.test": {"A": ["127.0.0.2"]}}, "numbered": {"bulk.test": "127.0.0.1"},
     "faults": {"slow.test": {"kind": "servfail", "delay_ms": 50}}}
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(document) - {"origins", "ttl", "secure", "records", "patterns", "numbered", "faults"}
        if unknown:
            raise ZoneError(f"unknown member {sorted(unknown)[0]!r}")
        zone = Zone(
            faults={name: Fault(**data) for name, data in document.get("faults", {}).items()},
            origins=tuple(document.get("origins", ("test", "example"))),
            ttl=int(document.get("ttl", 60)),
            secure=bool(document.get("secure", False)),
        )
        for name, records in document.get("records", {}).items():
            zone.add(name.lower().rstrip("."), {kind: tuple(texts) for kind, texts in records.items()})
        for expression, records in document.get("patterns", {}).items():
            zone.rules.append(pattern(expression, {kind: tuple(texts) for kind, texts in records.items()}))
        for suffix, address in document.get("numbered", {}).items():
            zone.rules.extend(numbered(suffix, address))
    except (TypeError, AttributeError, ValueError, re.error) as error:
        raise ZoneError(f"{path}: {error}") from error
    return zone
