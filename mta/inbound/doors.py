"""What inbound needs from elsewhere, by shape: whoever puts the engine together passes it in."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mta.archive.recipient import Recipient
from mta.bounce.classify import Rules
from mta.message import MessageId
from mta.tracking.token import Keys


class Feedback(Protocol):
    """mta.queue.feedback.Feedback."""

    async def publish(self, items: Sequence[tuple[int, dict[str, str]]]) -> None: ...


class Suppressions(Protocol):
    """mta.queue.suppression.Suppressions."""

    async def add(
        self,
        tenant: str,
        list_: str,
        addresses: Sequence[str],
        reason: str,
        by: str,
        ts: int,
        evidence: str = "",
        campaign: str = "",
    ) -> int: ...


def _uncounted(_: str, __: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Doors:
    """Keys of return addresses; who a message went to; classification rules; where effects go.

    `counted` is told a metric and its label: ("reports_total", kind) and ("inbound_refused_total", reason).
    """

    tokens: Keys
    lookup: Callable[[MessageId], Awaitable[Recipient | None] | Recipient | None]
    rules: Rules
    feedback: Feedback
    suppressions: Suppressions
    counted: Callable[[str, str], None] = _uncounted
    now: Callable[[], float] = time.time
