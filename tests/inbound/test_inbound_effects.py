"""What follows from a report: pure, so every kind is tried."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.archive.recipient import Recipient
from mta.bounce.classify import Rules
from mta.bounce.report import Report
from mta.bounce.rules import Meaning
from mta.inbound.effects import digest, of_reports, telling
from mta.message import MessageId

KINDS = ["bounce", "delay", "delivered", "complaint", "unsubscribe", "auth_report", "auto_reply", "none"]


def effect(world: Any, *reports: Report) -> Any:
    return of_reports(reports, world.people[world.id], "tok", "mark", 5, world.rules)


def test_a_failure_outweighs_the_rest(world: Any) -> None:
    found = effect(world, Report("delivered"), Report("bounce", status="5.1.1", code=550), Report("bounce"))
    assert found.kind == "bounce"
    assert len(found.events) == 1
    assert found.events[0]["eid"] == "tok/bounced/mark"


def test_an_opt_out_is_an_unsubscribe(world: Any) -> None:
    found = effect(world, Report("unsubscribe"))
    assert (found.kind, found.suppress) == ("unsubscribe", [("customers", "unsubscribed")])


@given(st.lists(st.sampled_from(KINDS), max_size=5), st.text(max_size=600), st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_report_touches_anyone_but_the_signed_recipient(kinds: list[Any], text: str, who: str) -> None:
    rules = Rules.__new__(Rules)
    rules.decide = lambda *_: Meaning("unknown_user", "hard", True)  # type: ignore[assignment,misc]
    person = Recipient(MessageId(0, 1, 2), "n", "acme", "c", "l", "bob@example.org", "", {}, 2)
    reports = [
        Report(kind, recipient=who, final_recipient=who, diagnostic=text, remote=who) for kind in kinds
    ]
    found = of_reports(reports, person, "tok", "mark", 5, rules)
    assert all(told["rcpt"] == "bob@example.org" and told["tenant"] == "acme" for told in found.events)
    assert all(len(value) <= 512 for told in found.events for value in told.values())
    assert len(found.events) <= 1
    assert bool(found.suppress) == bool({"bounce", "complaint", "unsubscribe"} & set(kinds))


def test_what_is_no_failure_and_no_complaint_needs_no_token() -> None:
    reports = [Report(kind) for kind in KINDS]  # type: ignore[arg-type]
    assert [one.kind for one in telling(reports)] == ["bounce", "complaint", "unsubscribe"]


def test_digests_tell_reports_apart() -> None:
    assert digest(b"a") == digest(b"a") != digest(b"b")
