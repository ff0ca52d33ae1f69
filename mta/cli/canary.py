"""A campaign's canary as commands show it: how many went first, and what became of them by site."""

import time
from typing import TYPE_CHECKING, Any

from mta.cli import show

if TYPE_CHECKING:
    from mta.queue.canaries import Report


def canary_facts(report: "Report | None") -> dict[str, Any] | None:
    """Return a canary for programs; None when there is none."""
    if report is None:
        return None
    import msgspec

    rows = {site: msgspec.structs.asdict(counts) for site, counts in report.sites.items()}
    return {
        "phase": report.phase, "reason": report.reason, "by": report.by, "drawn": report.drawn,
        "began": show.time_of(report.began), "terms": msgspec.structs.asdict(report.terms),
        "counts": msgspec.structs.asdict(report.counts), "sites": rows,
    }  # fmt: skip


def canary_table(report: "Report | None") -> None:
    """Print a canary by site."""
    if report is None:
        return
    states = ("delivered", "deferred", "bounced", "complained", "suppressed")
    rows = [(site, *(getattr(counts, name) for name in states)) for site, counts in report.sites.items()]
    total = report.counts
    if len(rows) != 1:
        rows.append(("all", *(getattr(total, name) for name in states)))
    began = f", since {show.span(int(time.time() * 1000) - report.began)}" if report.began else ""
    title = f"canary: {report.phase}{began}; {report.drawn:,} people drawn"
    show.table(f"{title}; {report.reason}" if report.reason else title, ("site", *states), rows)
