"""Delivery status notifications for senders who asked for them: made from events, sent through the engine's own queue.

As reports that nobody answers: null return path, no wish of their own, so a notification is never told of. The key of
the submission is made from the event, so the same event read twice is told once.
"""

import base64
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from mta.mime.mailing import NULL_SENDER
from mta.mime.notification import Action, Original, Outcome, compose
from mta.queue.link import QueueFull
from mta.queue.notifybook import KEEP_MS, NotifyBook, Wish
from mta.queue.producer import Producer

LATE_MS: Final = 4 * 3_600_000
"""A delay is told of from this age on (RFC 5321 4.5.4.1 has the first hours for retries), once per recipient."""
_KINDS: Final[dict[str, tuple[str, Action]]] = {
    "bounced": ("failure", "failed"),
    "expired": ("failure", "failed"),
    "failed": ("failure", "failed"),
    "suppressed": ("failure", "failed"),
    "deferred": ("delay", "delayed"),
    "delivered": ("success", "delivered"),
}
_log = logging.getLogger("mta.keeper")

Event = Mapping[str, str]


@dataclass(slots=True)
class Notifier:
    """Tells senders; `host` is the name that notifications come from."""

    book: NotifyBook
    producer: Producer
    host: str

    async def tell(self, events: Sequence[Event]) -> int:
        """Send what these events ask for; return how many. Raises QueueDown; what Redis has no room for is lost."""
        ours = [
            (_KINDS[kind], event)
            for event in events
            if (kind := event.get("event", "")) in _KINDS and not event.get("campaign") and event.get("id")
            if kind != "deferred" or int(event.get("delay_ms") or 0) >= LATE_MS
        ]
        names = [(event.get("tenant", ""), event["id"].rpartition(".")[0]) for _, event in ours]
        told = 0
        for (wanted, action), event, wish in zip(
            (what for what, _ in ours),
            (event for _, event in ours),
            await self.book.wishes(names),
            strict=True,
        ):
            if wish is None or wanted not in wish.on:
                continue
            try:
                told += await self._send(wish, action, event)
            except QueueFull:
                _log.warning("no room for a notification to %s about %s", wish.to, event["id"])
        return told

    async def _send(self, wish: Wish, action: Action, event: Event) -> bool:
        tenant, name = event.get("tenant", ""), event["id"]
        if action == "delayed" and not await self.book.first_delay(tenant, name, wish.expires + KEEP_MS):
            return False
        sender = f"mailer-daemon@{wish.sender.rpartition('@')[2]}"
        mark = event.get("eid", name)
        raw = compose(_original(wish), _outcome(action, event), sender, wish.to, self.host, mark)
        document = {
            "from": sender, "to": [wish.to], "raw": base64.b64encode(raw).decode(), "envelope_from": NULL_SENDER,
        }  # fmt: skip
        key = f"dsn.{blake2b(mark.encode(), digest_size=16).hexdigest()}"
        data = json.dumps(document, separators=(",", ":")).encode()
        await self.producer.submit(wish.label, "message", tenant, key, data)
        return True


def _original(wish: Wish) -> Original:
    return Original(wish.message_id, wish.sender, wish.subject, wish.arrived, wish.expires)


def _outcome(action: Action, event: Event) -> Outcome:
    words = event.get("reply") or event.get("why", "")
    if event["event"] == "suppressed":
        words = f"the address is on a suppression list ({event.get('reason', 'no reason given')})"
    code = event.get("code", "")
    return Outcome(
        action, event.get("rcpt", ""), int(event.get("ts", 0)), int(code) if code.isdigit() else 0,
        event.get("status", ""), words, event.get("mx", ""),
    )  # fmt: skip
