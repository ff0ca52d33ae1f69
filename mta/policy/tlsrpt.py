"""TLS reports (RFC 8460): where a domain wants them, sessions counted by outcome, and the day's report as JSON.

Counting is per process; rows are plain values that can be added up elsewhere. Sending is not done here.
"""

import gzip
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mta.policy.tls import PolicyType, TlsNeed

RESULTS = frozenset({
    "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
    "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
    "sts-policy-invalid", "sts-webpki-invalid",
})  # section 4.3  # fmt: skip
MOST_ROWS = 50_000  # of one process between two drains
MOST_DETAILS = 1_000  # kinds of failure that one policy's part of a report tells apart
MOST_POLICIES = (
    100  # of one report; a domain that changes its policy with every answer gets the first of them
)
MOST_URIS = 8
_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;", re.ASCII)
_MAIL = re.compile(r"mailto:[^\s@,!]{1,192}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_WEB = re.compile(r"https://[^\s,!]{1,1000}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a domain wants its reports: `mailto:` and `https:` URIs in the order it names them; none = nowhere."""

    mail: tuple[str, ...] = ()
    web: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.mail or self.web)


def wanted(texts: Sequence[str]) -> Wanted:
    """Return what the TXT records of `_smtp._tls.<domain>` say; nothing when not exactly one is valid (section 3)."""
    records = [text for text in texts if _RECORD.match(text)]
    if len(records) != 1:
        return Wanted()
    for part in records[0].split(";")[1:]:
        key, _, value = part.strip(" \t").partition("=")
        if key.strip(" \t") == "rua":
            uris = [uri.strip(" \t") for uri in value.split(",")][:MOST_URIS]
            return Wanted(
                tuple(uri for uri in uris if _MAIL.fullmatch(uri)),
                tuple(uri for uri in uris if _WEB.fullmatch(uri)),
            )
    return Wanted()


class Row(NamedTuple):
    """Sessions that ended alike; `result` is empty for those that got all that policy asks."""

    day: str  # of UTC, "2026-10-30"
    domain: str
    policy: PolicyType
    lines: tuple[str, ...]  # of the policy as published: MTA-STS lines or TLSA records
    patterns: tuple[str, ...]  # the policy's mx patterns; none for DANE
    result: str = ""
    source: str = ""  # our address; empty for successes, which are not told apart
    host: str = ""  # the MX
    address: str = ""  # its address


def row(need: TlsNeed, result: str, day: str, domain: str, host: str, address: str, source: str) -> Row:
    """Return the row that a session with `host` counts in; `result` is empty when it got all that policy asks."""
    found = need.published
    if not result:
        return Row(day, domain, found.kind, found.lines, found.patterns)
    return Row(day, domain, found.kind, found.lines, found.patterns, result, source, host, address)


class Counts:
    """Sessions of one process since the last drain; `lost` is how many found no room."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self.most = most
        self.lost = 0
        self._rows: dict[Row, int] = {}

    def __repr__(self) -> str:
        return f"<Counts {len(self._rows)} rows, {self.lost} lost>"

    def add(self, row: Row, sessions: int = 1) -> None:
        """Count sessions; raise ValueError for a result that RFC 8460 does not know."""
        if row.result and row.result not in RESULTS:
            raise ValueError(f"{row.result!r} is no result type of RFC 8460 section 4.3")
        if row in self._rows or len(self._rows) < self.most:
            self._rows[row] = self._rows.get(row, 0) + sessions
        else:
            self.lost += sessions

    def drain(self) -> list[tuple[Row, int]]:
        """Return all rows and begin anew."""
        rows, self._rows = list(self._rows.items()), {}
        return rows


@dataclass(frozen=True, slots=True)
class Sender:
    """Who reports: the organization's name, its mail domain and a contact address."""

    organization: str
    domain: str
    contact: str


def report(rows: Iterable[tuple[Row, int]], sender: Sender, day: str, domain: str) -> dict[str, Any]:
    """Return the report about a domain's day (section 4.4) as a JSON-like value; rows of others are passed over.

    Failures beyond MOST_DETAILS kinds are in the sums and not told apart. `report-id` is the same for the same day and
    domain, so that a report sent twice is known to be the same.
    """
    tables: dict[tuple[str, tuple[str, ...], tuple[str, ...]], dict[Row, int]] = {}
    for row, count in rows:
        if row.domain == domain and row.day == day:
            table = tables.setdefault((row.policy, row.lines, row.patterns), {})
            table[row] = table.get(row, 0) + count
    return {
        "organization-name": sender.organization,
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": sender.contact,
        "report-id": report_id(sender, day, domain),
        "policies": [_policy(domain, *key, table) for key, table in sorted(tables.items())[:MOST_POLICIES]],
    }


def _policy(
    domain: str, kind: str, lines: tuple[str, ...], patterns: tuple[str, ...], table: dict[Row, int]
) -> dict[str, Any]:
    about: dict[str, Any] = {"policy-type": kind, "policy-domain": domain}
    if lines:
        about["policy-string"] = list(lines)
    if patterns:
        about["mx-host"] = list(patterns)
    failures = [(row, count) for row, count in table.items() if row.result]
    summary = {
        "total-successful-session-count": sum(count for row, count in table.items() if not row.result),
        "total-failure-session-count": sum(count for _, count in failures),
    }
    made: dict[str, Any] = {"policy": about, "summary": summary}
    if failures:
        failures.sort(key=lambda pair: (-pair[1], pair[0]))
        made["failure-details"] = [_detail(row, count) for row, count in failures[:MOST_DETAILS]]
    return made


def _detail(row: Row, count: int) -> dict[str, Any]:
    members = {
        "result-type": row.result,
        "sending-mta-ip": row.source,
        "receiving-mx-hostname": row.host,
        "receiving-ip": row.address,
    }
    return {key: value for key, value in members.items() if value} | {"failed-session-count": count}


def report_id(sender: Sender, day: str, domain: str) -> str:
    """Return the report's id, which also names it in mail."""
    return f"{day}T00:00:00Z_{domain}@{sender.domain}"


def packed(document: dict[str, Any]) -> bytes:
    """Return the report as application/tlsrpt+gzip; the same bytes for the same report."""
    return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0)


def filename(sender: Sender, domain: str, begin: int, end: int) -> str:
    """Return the attachment's name (section 5.1); `begin` and `end` in seconds since 1970."""
    return f"{sender.domain}!{domain}!{begin}!{end}.json.gz"


def subject(sender: Sender, day: str, domain: str) -> str:
    """Return the Subject of a report sent by mail (section 5.3)."""
    return f"Report Domain: {domain} Submitter: {sender.domain} Report-ID: <{report_id(sender, day, domain)}>"
