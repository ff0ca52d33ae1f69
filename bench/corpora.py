"""How well are returned messages read? Scores on a folder of samples with expected results.

    python -m bench.corpora --corpora DIR --json        (or MTA_CORPORA=DIR; without a folder there is nothing to do)

The folder holds, for each collection, the messages and an `expected.jsonl`; see `bench.samples` for what is compared
with what. Every third file by the hash of its name is `held`: rules are written looking at the others, and a
difference between the halves is how far they fit samples and not causes. Faults and misses are given by file name and
field only, never by content.
"""

import json
import statistics
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import click

from bench.machine import machine
from bench.samples import Sample, check, halves, samples
from mta.bounce import classify as classification
from mta.bounce.classify import Rules, load
from mta.bounce.report import Report, read

SCHEMA = 1
SLOW_MS = 50.0
BARS = {
    "recipients": 97.0, "hard_soft": 97.0, "class": 92.0, "arf": 100.0, "negatives": 100.0,
    "line_ends": 100.0,
}  # fmt: skip
"""Per cent right; 0 exceptions besides."""


def rules() -> Rules:
    """Return the shipped rules."""
    return load((Path(classification.__file__).parent / "rules.toml").read_text(encoding="utf-8"))


def measure(folder: Path) -> dict[str, Any]:
    """Return the scores on every collection of a folder, in all and by half."""
    table = rules()
    right: dict[str, Counter[str]] = defaultdict(Counter)
    asked: dict[str, Counter[str]] = defaultdict(Counter)
    misses: list[str] = []
    faults: list[str] = []
    times: list[tuple[float, str]] = []
    for sample in samples(folder):
        began = time.perf_counter()
        try:
            reports = _reports(sample, table)
        except Exception as error:
            faults.append(f"{sample.name}: {type(error).__name__}")
            continue
        times.append(((time.perf_counter() - began) * 1e3, sample.name))
        verdicts = check(sample, reports)
        if sample.raw is not None:
            verdicts["line_ends"] = all(read(other, table) == reports for other in _line_ends(sample.raw))
        for name, is_right in verdicts.items():
            for group in ("all", halves(sample.name), sample.collection):
                asked[group][name] += 1
                right[group][name] += is_right
            if not is_right:
                misses.append(f"{sample.name}: {name}")
    times.sort()
    return {
        "schema": SCHEMA, "bench": "corpora", "samples": len(times) + len(faults),
        "scores": {
            group: {name: _score(right[group][name], of) for name, of in sorted(counted.items())}
            for group, counted in sorted(asked.items())
        },
        "median_ms": round(statistics.median(time for time, _ in times), 3) if times else 0.0,
        "worst_ms": round(times[-1][0], 2) if times else 0.0, "worst": times[-1][1] if times else "",
        "slow": sum(time > SLOW_MS for time, _ in times), "exceptions": faults,
        "below": sorted(
            name for name, bar in BARS.items()
            if asked["all"][name] and right["all"][name] / asked["all"][name] * 100 < bar
        ),
        "misses": misses,
    }  # fmt: skip


def _reports(sample: Sample, table: Rules) -> list[Report]:
    if sample.raw is not None:
        return read(sample.raw, table)
    meaning = classification.classify(0, "", sample.text, table)
    return [Report("bounce", diagnostic=sample.text, cls=meaning.cls, disposition=meaning.disposition)]


def _line_ends(raw: bytes) -> list[bytes]:
    plain = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return [plain, plain.replace(b"\n", b"\r\n"), plain.replace(b"\n", b"\r")]


def _score(right: int, of: int) -> dict[str, float | int]:
    return {"right": right, "of": of, "percent": round(right / of * 100, 2)}


@click.command()
@click.option(
    "--corpora", envvar="MTA_CORPORA", type=click.Path(path_type=Path), help="The folder of collections."
)
@click.option("--misses/--no-misses", default=True, show_default=True, help="Name what was missed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def main(corpora: Path | None, misses: bool, as_json: bool) -> None:
    """Score the bounce reader; exit 1 if a bar is missed or anything raised. Without a folder: skipped, exit 0."""
    if corpora is None or not corpora.is_dir():
        skipped = {"schema": SCHEMA, "bench": "corpora", "skipped": f"no folder of samples: {corpora}"}
        click.echo(json.dumps(skipped) if as_json else skipped["skipped"])
        return
    found = measure(corpora)
    if not misses:
        del found["misses"]
    if as_json:
        click.echo(json.dumps(found | {"machine": machine()}, indent=1))
    else:
        for group, scores in found["scores"].items():
            told = "  ".join(f"{name} {score['percent']} of {score['of']}" for name, score in scores.items())
            click.echo(f"{group}: {told}")
        for name in ("median_ms", "worst_ms", "worst", "slow", "exceptions", "below"):
            click.echo(f"{name}: {found[name]}")
        click.echo("\n".join(found.get("misses", [])))
    raise SystemExit(bool(found["below"] or found["exceptions"]))


if __name__ == "__main__":
    main()
