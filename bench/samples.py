"""A folder of sample messages with expected results, and what counts as right.

    <collection>/<file>           a message
    <collection>/expected.jsonl   one object per message (`file`) or per SMTP reply (`text`)

`recipients`: the set of addresses, exactly (a report may name the final or the original one). `hard_soft`: is the
address bad? By `disposition` where the record has one, else whether the failure was final. `class`: of each recipient,
for records that a test of their source states and that are not `disputed`; `greylisted` counts as right where the
source has no such word. `event`: the kind of the mail. `arf`: that of feedback reports alone. `negatives`: no
recipient.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mta.bounce.report import Report

FEEDBACK = ("complaint", "unsubscribe", "auth_report")
FAILURES = ("bounce", "delay")
ABOUT_MAIL = ("bounce", "delay", "delivered")
_EVENTS = {"not_bounce": "none"}
_NEAR_GREYLISTED = ("rate_limited", "policy", "spam_content", "remote_temporary")


@dataclass(frozen=True, slots=True)
class Sample:
    """One record: `raw` is its message, or None where it is a reply line, `text`."""

    collection: str
    name: str
    expected: dict[str, Any]
    raw: bytes | None
    text: str


def samples(folder: Path) -> Iterator[Sample]:
    """Yield every record of every collection, in order."""
    for listing in sorted(folder.glob("*/expected.jsonl")):
        collection = listing.parent.name
        for number, line in enumerate(listing.read_text(encoding="utf-8").split("\n"), 1):
            if not line.strip():
                continue
            expected = json.loads(line)
            if "file" in expected:
                path = listing.parent / expected["file"]
                if path.is_file():
                    name = f"{collection}/{expected['file']}"
                    yield Sample(collection, name, expected, path.read_bytes(), "")
            elif expected.get("text"):
                yield Sample(collection, f"{collection}/{number}", expected, None, expected["text"])


def halves(name: str) -> str:
    """Return `held` for every third name, `seen` for the rest; copies that differ in line ends stay together."""
    stem = name.rpartition("/")[2]
    return "held" if sha256(stem.encode()).digest()[0] % 3 == 0 else "seen"


def check(sample: Sample, reports: Sequence[Report]) -> dict[str, bool]:
    """Return what the record asks for, and whether the reports are right in it."""
    expected = sample.expected
    verdicts: dict[str, bool] = {}
    event = _EVENTS.get(expected.get("event") or "", expected.get("event"))
    results = expected.get("results") or ([expected] if sample.raw is None else [])
    stated = (expected.get("basis") or "").startswith("test:") and not expected.get("disputed")
    if expected.get("expect_no_recipient") or expected.get("is_bounce") is False:
        verdicts["negatives"] = not any(r.recipient for r in reports if r.kind in ABOUT_MAIL)
    elif event in ABOUT_MAIL and any(result.get("recipient") for result in results):
        verdicts["recipients"] = _same_recipients(results, reports)
    if event and sample.raw is not None:
        verdicts["event"] = event in {r.kind for r in reports}
        if event in FEEDBACK:
            verdicts["arf"] = {r.kind for r in reports} == {event}
    if (event in FAILURES or sample.raw is None) and results:
        pairs = [(result, _about(result, reports)) for result in results]
        hard = [(asked, _is_hard(asked, found)) for asked, found in pairs]
        told = [(wanted, got) for asked, got in hard if (wanted := _wanted_hard(asked)) is not None]
        if stated and told:
            verdicts["hard_soft"] = all(wanted == got for wanted, got in told)
        if stated and any(result.get("class") for result in results):
            verdicts["class"] = all(_same_class(r["class"], found) for r, found in pairs if r.get("class"))
    return verdicts


def _same_recipients(results: Sequence[dict[str, Any]], reports: Sequence[Report]) -> bool:
    wanted = {result["recipient"].lower() for result in results if result.get("recipient")}
    named = [
        {r.recipient.lower(), r.final_recipient.lower()}
        for r in reports
        if r.kind in ABOUT_MAIL and r.recipient
    ]
    return all(names & wanted for names in named) and wanted <= set().union(*named)


def _about(result: dict[str, Any], reports: Sequence[Report]) -> Report:
    """The report on a result's recipient, else the first one."""
    wanted = (result.get("recipient") or "").lower()
    about = [r for r in reports if wanted and wanted in (r.recipient.lower(), r.final_recipient.lower())]
    return (about or list(reports) or [Report("none")])[0]


def _wanted_hard(result: dict[str, Any]) -> bool | None:
    if result.get("disposition"):
        return None if result["disposition"] == "unknown" else bool(result["disposition"] == "hard")
    return result.get("hard")


def _is_hard(result: dict[str, Any], found: Report) -> bool:
    if result.get("disposition"):
        return found.disposition == "hard"
    return found.kind == "bounce"


def _same_class(wanted: str, found: Report) -> bool:
    if wanted == found.cls or wanted == found.kind:
        return True
    return found.cls == "greylisted" and wanted in _NEAR_GREYLISTED
