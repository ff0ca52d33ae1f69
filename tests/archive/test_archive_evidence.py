"""Evidence of one tenant: counted once, its own alone, complaints one by one."""

from mta.archive.evidence import MOST_COMPLAINTS, MOST_DOMAINS, evidence

DAY = 86_400_000


def one(number: int, kind: str, /, **more: str) -> dict[str, str]:
    fields = {"event": kind, "eid": f"e{number}", "ts": str(DAY * 20_000 + number), "tenant": "acme"}
    return fields | {"class" if name == "class_" else name: value for name, value in more.items()}


def test_what_was_sent_where_and_what_came_back() -> None:
    events = [
        one(1, "accepted", count="4", kind="recipients"),
        one(2, "accepted", count="1", kind="campaign"),
        one(3, "delivered", campaign="c", rcpt="a@X.example", source="192.0.2.1"),
        one(3, "delivered", campaign="c", rcpt="a@x.example", source="192.0.2.1"),  # told twice
        one(4, "bounced", campaign="c", rcpt="b@x.example", class_="recipient_unknown"),
        one(5, "bounced", campaign="c", rcpt="a@x.example", **{"async": "1"}),
        one(
            6, "complained", campaign="c", rcpt="a@x.example", id="m1", reporter="mx.example", ip="192.0.2.9"
        ),
        one(7, "held", scope="campaign:c", reason="too many", by="guard"),
        one(DAY, "delivered", rcpt="z@y.example"),
        one(8, "opened", rcpt="a@x.example"),
        one(9, "delivered", rcpt="o@other.example") | {"tenant": "other"},
    ]
    found = evidence("acme", events)
    assert found.accepted == 4
    assert found.totals == {"delivered": 2, "bounced": 1, "late_bounced": 1, "complained": 1}
    assert list(found.days) == ["2024-10-04", "2024-10-05"]
    assert found.days["2024-10-05"] == {"delivered": 1}
    assert found.campaigns["c"] == {"delivered": 1, "bounced": 1, "late_bounced": 1, "complained": 1}
    assert found.campaigns[""] == {"delivered": 1}
    assert found.domains["x.example"] == {"delivered": 1, "bounced": 1, "late_bounced": 1, "complained": 1}
    assert found.classes == {"recipient_unknown": 1, "unknown": 1}
    assert found.sources == {"192.0.2.1": 1}
    assert found.complaints == [
        {
            "ts": str(DAY * 20_000 + 6),
            "id": "m1",
            "campaign": "c",
            "rcpt": "a@x.example",
            "reporter": "mx.example",
        }
    ]
    assert [note["reason"] for note in found.notes] == ["too many"]
    assert (found.first_ms, found.last_ms) == (DAY * 20_000 + 1, DAY * 20_001)


def test_nothing_grows_without_end() -> None:
    events = [one(number, "complained", rcpt=f"a@d{number}.example") for number in range(1200)]
    found = evidence("acme", events)
    assert len(found.complaints) == MOST_COMPLAINTS
    assert len(found.domains) == MOST_DOMAINS + 1
    assert found.domains["other"] == {"complained": 200}
