"""Verdict to result: what goes back to the queue and what the web tier is told. Time and chance are arguments."""

from dataclasses import dataclass

from mta.event import delivery_eid
from mta.message import Flag
from mta.queue.codec import Item
from mta.queue.lanes import OP_FINAL, OP_RETRY, Result
from mta.reply import Reply
from mta.throttle.retry import Schedule, wait_ms
from mta.verdict import Deferred, Delivered, Verdict

REPLY_TEXT = 512  # of the peer's words, in events and logs
LAST_REPLY = 160  # of them, kept in the queue beside a message that waits


@dataclass(frozen=True, slots=True)
class Hop:
    """Where an attempt went: mail host, our source address, TLS version and cipher; `via`: the source's name."""

    mx: str = ""
    source: str = ""
    tls: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A classified reply: class and disposition of docs/protocol.md, and whether the address is to be suppressed."""

    cls: str = ""
    disposition: str = ""
    suppress: bool = False


def outcome(
    item: Item,
    verdict: Verdict,
    judged: Judged,
    hop: Hop,
    now: int,
    schedule: Schedule,
    chance: float,
) -> Result:
    """Return the result of one attempt; the item's record is brought up to date for a retry.

    `now` in ms since 1970, `chance` in [0, 1) spreads retries.
    """
    record = item.record
    _, _, _, tenant, campaign = item.lane.split("|")
    scope = f"{tenant}|{campaign}"
    record.attempts += 1
    wait = 0
    if isinstance(verdict, Deferred):
        wait = wait_ms(schedule, now - record.born, chance)
        kind = "deferred" if now + wait < record.expires else "expired"
        if verdict.unsure:
            record.flags |= Flag.MAYBE_SENT
    else:
        kind = "delivered" if isinstance(verdict, Delivered) else "bounced"
    fields = event_fields(item, kind, tenant, campaign, verdict.reply, hop, now)
    if kind == "deferred":
        if not (verdict.reply.local and record.last):  # a server's word says more than our own
            record.last = str(verdict.reply)[:LAST_REPLY]
        fields += ["next", str(now + wait), "class", judged.cls]
        return Result(OP_RETRY, item.id, item.lane, scope, kind, item.encode(), wait, event=fields)
    if kind != "delivered":
        fields += ["class", judged.cls, "disposition", judged.disposition]
    return Result(OP_FINAL, item.id, item.lane, scope, kind, body=record.body, event=fields)


def event_fields(
    item: Item, kind: str, tenant: str, campaign: str, reply: Reply, hop: Hop, now: int
) -> list[str]:
    """Return the fields of an attempt's event, flat, in the order that a stream keeps most compactly."""
    record = item.record
    fields = [
        "v", "1",
        "event", kind,
        "eid", delivery_eid(record.name, tenant, kind, record.attempts),
        "ts", str(now),
        "id", record.name,
        "tenant", tenant,
        "rcpt", record.rcpt,
        "code", str(reply.code),
        "status", reply.enhanced,
        "reply", reply.text[:REPLY_TEXT],
        "mx", hop.mx,
        "source", hop.source,
        "tls", hop.tls,
        "attempts", str(record.attempts),
        "delay_ms", str(max(0, now - record.born)),
    ]  # fmt: skip
    if campaign:
        fields += ["campaign", campaign]
    if record.ref:
        fields += ["ref", record.ref]
    return fields


def unbound(
    item: Item, verdict: Verdict, judged: Judged, now: int, schedule: Schedule, chance: float
) -> Result:
    """Return the result of a message for which our own address could not be bound: it waits, with no attempt more."""
    attempts = item.record.attempts
    item.record.attempts -= 1
    result = outcome(item, verdict, judged, Hop(), now, schedule, chance)
    assert item.record.attempts == attempts
    return result


def set_aside(item: Item, why: str, now: int) -> Result:
    """Return the final `failed` result of a message that can't be rendered or read; `why` is for the sender."""
    return _without_attempt(item, "failed", now, ["why", why[:REPLY_TEXT]])


def suppressed(item: Item, list_: str, reason: str, now: int) -> Result:
    """Return the final `suppressed` result of a message whose recipient was suppressed since it was accepted."""
    return _without_attempt(item, "suppressed", now, ["list", list_, "reason", reason])


def unreadable(message_id: bytes, lane: str, why: str, now: int) -> Result:
    """Return the final `failed` result of a queue item whose record can't be read: kept nowhere, never looped."""
    _, _, _, tenant, campaign = lane.split("|")
    name = f"item.{message_id.hex()}"
    fields = [
        "v", "1", "event", "failed", "eid", delivery_eid(name, tenant, "failed", 0), "ts", str(now),
        "id", name, "tenant", tenant, "campaign", campaign, "why", f"the queue item can't be read: {why}"[:REPLY_TEXT],
    ]  # fmt: skip
    return Result(OP_FINAL, message_id, lane, f"{tenant}|{campaign}", "failed", event=fields)


def postponed(item: Item, wait: int) -> Result:
    """Return the result that lets a message wait so many ms: no attempt was made, and nobody is told."""
    tenant, campaign = item.lane.split("|")[3:]
    return Result(OP_RETRY, item.id, item.lane, f"{tenant}|{campaign}", item=item.encode(), wait=wait)


def expired(item: Item, now: int) -> Result:
    """Return the final `expired` result of a message whose time ran out while it waited."""
    text = "4.4.7 lifetime over before another attempt"
    if item.record.last:
        text += f"; the last reply was: {item.record.last}"
    return _without_attempt(item, "expired", now, ["code", "451", "status", "4.4.7", "reply", text])


def _without_attempt(item: Item, kind: str, now: int, more: list[str]) -> Result:
    record = item.record
    _, _, _, tenant, campaign = item.lane.split("|")
    fields = [
        "v", "1", "event", kind, "eid", delivery_eid(record.name, tenant, kind, record.attempts),
        "ts", str(now), "id", record.name, "tenant", tenant, "rcpt", record.rcpt,
        "attempts", str(record.attempts), *more,
    ]  # fmt: skip
    if campaign:
        fields += ["campaign", campaign]
    if record.ref:
        fields += ["ref", record.ref]
    return Result(OP_FINAL, item.id, item.lane, f"{tenant}|{campaign}", kind, body=record.body, event=fields)
