"""Verdicts to results: what goes back to the queue and what the web tier is told."""

from mta.message import Flag, Lane, MessageId, Record
from mta.queue.codec import Item, decode
from mta.queue.lanes import OP_FINAL, OP_RETRY, Result
from mta.reply import Reply
from mta.throttle.retry import Schedule
from mta.verdict import Deferred, Delivered, Failed, Stage, Verdict, unanswered
from mta.workers.outcome import Hop, Judged, expired, outcome, set_aside

SCHEDULE = Schedule(first=60, factor=1.0, most=3600, lifetime=86400, jitter=0.0)
HOP = Hop("mx.example.net [192.0.2.1]", "192.0.2.7", "TLSv1.3 X")
NOW = 1_800_000_000_000


def item(born: int = NOW - 1000, expires: int = NOW + 86_400_000) -> Item:
    record = Record("spring.x.1", "jo@example.net", born, expires, ref="u-1", body="7")
    return Item(MessageId(0, 5, 1).pack(), str(Lane(2, "default", "example.net", "acme", "spring")), record)


def settle(verdict: Verdict, one: Item | None = None, judged: Judged | None = None) -> Result:
    return outcome(one or item(), verdict, judged or Judged(), HOP, NOW, SCHEDULE, 0.5)


def fields(result: Result) -> dict[str, str]:
    flat = result.event
    return dict(zip(flat[::2], flat[1::2], strict=True))


def test_delivered_is_final_and_says_where_and_how_fast() -> None:
    result = settle(Delivered(Reply(250, ("2.0.0 queued",))))
    told = fields(result)
    assert (result.op, result.kind, result.scope, result.body) == (OP_FINAL, "delivered", "acme|spring", "7")
    assert told["event"] == "delivered"
    assert told["eid"] == "acme/spring.x.1/delivered/1"
    assert (told["code"], told["status"], told["mx"]) == ("250", "2.0.0", HOP.mx)
    assert (told["attempts"], told["delay_ms"], told["ref"]) == ("1", "1000", "u-1")
    assert "class" not in told


def test_deferred_waits_by_age_and_carries_its_attempt() -> None:
    one = item(born=NOW - 600_000)
    result = settle(
        Deferred(Reply(451, ("4.3.0 later",)), Stage.RCPT), one, Judged("remote_temporary", "soft")
    )
    assert (result.op, result.kind, result.wait, result.body) == (OP_RETRY, "deferred", 600_000, "")
    assert decode(result.item, one.lane).record.attempts == 1
    told = fields(result)
    assert told["next"] == str(NOW + 600_000)
    assert told["class"] == "remote_temporary"


def test_the_same_attempt_told_twice_has_the_same_eid() -> None:
    reply = Delivered(Reply(250, ("ok",)))
    assert fields(settle(reply))["eid"] == fields(settle(reply))["eid"]


def test_an_unsure_end_marks_the_message_as_possibly_sent() -> None:
    one = item()
    result = settle(unanswered(Stage.DOT, "connection lost"), one)
    assert decode(result.item, one.lane).record.flags & Flag.MAYBE_SENT
    assert "may be sent more than once" in fields(result)["reply"]
    before_dot = item()
    result = settle(unanswered(Stage.DATA, "connection lost"), before_dot)
    assert not decode(result.item, before_dot.lane).record.flags & Flag.MAYBE_SENT


def test_a_retry_that_would_come_after_the_lifetime_expires_now() -> None:
    result = settle(Deferred(Reply(451, ("4.3.0 later",)), Stage.RCPT), item(expires=NOW + 30_000))
    assert (result.op, result.kind) == (OP_FINAL, "expired")
    assert fields(result)["reply"] == "4.3.0 later", "with the last real reply"


def test_failed_is_a_bounce_with_its_class() -> None:
    verdict = Failed(Reply(550, ("5.1.1 no such user",)), Stage.RCPT)
    result = settle(verdict, judged=Judged("recipient_unknown", "hard", True))
    told = fields(result)
    assert (result.kind, told["class"], told["disposition"]) == ("bounced", "recipient_unknown", "hard")


def test_peer_text_is_cut() -> None:
    result = settle(Failed(Reply(550, ("x" * 5000,)), Stage.RCPT))
    assert len(fields(result)["reply"]) == 512


def test_set_aside_and_expired_name_their_reason() -> None:
    assert fields(set_aside(item(), "`html` is broken", NOW))["why"] == "`html` is broken"
    assert fields(expired(item(), NOW))["status"] == "4.4.7"
