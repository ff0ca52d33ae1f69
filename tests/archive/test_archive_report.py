"""Campaign reports: people once, events each, repeats never."""

import pytest

from mta.archive import report as module
from mta.archive.report import compare, report
from mta.event import event


def told(kind: str, n: int, who: str = "", **fields: str | int) -> dict[str, str]:
    rcpt = f"{who}@{'a' if who < 'm' else 'z'}.example" if who else ""
    return event(kind, f"{kind}-{n}", 1000 + n, tenant="t", campaign="c", id=who, rcpt=rcpt, **fields)


EVENTS = [
    told("accepted", 0, count=1) | {"kind": "campaign"},
    told("accepted", 1, count=4, refused=1),
    told("accepted", 2, count=4, refused=1, repeat=1),
    told("deferred", 3, "ann"),
    told("deferred", 4, "ann"),
    told("delivered", 5, "ann"),
    told("delivered", 6, "bob"),
    told("delivered", 7, "zoe"),
    told("bounced", 8, "max", class_="mailbox_unknown"),
    told("bounced", 9, "zoe", class_="mailbox_full", async_=1),
    told("opened", 10, "ann"),
    told("opened", 11, "ann", proxy="apple"),
    told("opened", 11, "ann", proxy="apple"),  # the same event again
    told("opened", 12, "bob"),
    told("clicked", 13, "ann", link=2, url="https://x/2"),
    told("clicked", 14, "ann", link=2, url="https://x/2"),
    told("clicked", 15, "bob", link=2, url="https://x/2"),
    told("clicked", 16, "bob", link=0, url="https://x/0"),
    told("unsubscribed", 17, "bob", via="post"),
    told("complained", 18, "zoe", feedback="abuse"),
    told("opened", 99, "eve") | {"campaign": "other"},
    told("opened", 99, "eve") | {"tenant": "other"},
]


def test_a_campaign_is_counted_by_people_and_by_events() -> None:
    found = report("t", "c", EVENTS)
    assert (found.accepted, found.refused) == (4, 1)
    assert found.people == {
        "deferred": 1, "delivered": 3, "bounced": 1, "late_bounced": 1, "opened": 2, "clicked": 2,
        "unsubscribed": 1, "complained": 1,
    }  # fmt: skip
    assert (found.totals["opened"], found.totals["clicked"], found.totals["deferred"]) == (3, 4, 2)
    assert found.proxied_opens == 1
    assert [(link.number, link.url, link.clicks, link.people) for link in found.links] == [
        (2, "https://x/2", 3, 2),
        (0, "https://x/0", 1, 1),
    ]
    assert found.bounces == {"mailbox_unknown": 1, "mailbox_full": 1}
    ours = found.domains["a.example"]
    assert (ours.delivered, ours.opened, ours.clicked, ours.deferred) == (2, 2, 2, 1)
    assert (found.domains["z.example"].delivered, found.domains["z.example"].complained) == (1, 1)
    assert (found.first_ms, found.last_ms) == (1000, 1018)


def test_order_and_repetition_change_nothing() -> None:
    assert report("t", "c", [*reversed(EVENTS), *EVENTS]) == report("t", "c", EVENTS)


def test_rates_and_comparison() -> None:
    one, other = report("t", "c", EVENTS), report("t", "none", EVENTS)
    assert one.rate("opened") == pytest.approx(2 / 3)
    assert other.rate("opened") == 0.0
    assert compare(one, other)["clicked"] == (pytest.approx(2 / 3), 0.0)
    assert compare(one, other)["delivered"] == (0.75, 0.0)


def test_small_domains_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOP_DOMAINS", 2)
    events = [told("delivered", n, "ann") | {"id": f"i{n}", "rcpt": f"u@d{n % 5}.example"} for n in range(23)]
    domains = report("t", "c", events).domains
    assert list(domains) == ["d0.example", "d1.example", "other"]
    assert sum(domain.delivered for domain in domains.values()) == 23


def test_purged_batches_count_their_people() -> None:
    assert report("t", "c", [told("purged", 1, count=500)]).totals == {"purged": 500}
