"""What the web needs from elsewhere, by shape: whoever puts the engine together passes it in."""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from mta.archive.recipient import Recipient
from mta.message import MessageId
from mta.tenancy import Profile
from mta.tracking.token import Keys

PATIENCE = 1.0  # seconds that a reader waits for what can be done without

_log = logging.getLogger("mta.web")

T = TypeVar("T")
Maybe: TypeAlias = Awaitable[T] | T
"""A function may answer at once or be awaited."""


class Feedback(Protocol):
    """mta.queue.feedback.Feedback."""

    async def publish(self, items: Sequence[tuple[int, dict[str, str]]]) -> None: ...


class Suppressions(Protocol):
    """mta.queue.suppression.Suppressions."""

    async def add(
        self, tenant: str, list_: str, addresses: Sequence[str], reason: str, by: str, ts: int
    ) -> int: ...


class Campaigns(Protocol):
    """mta.queue.campaigns.Campaigns."""

    async def document(self, tenant: str, campaign: str) -> bytes | None: ...


def _nobody(_: str) -> Profile | None:
    return None


def _ready() -> str:
    return ""


def _anywhere(_: str, __: Recipient) -> bool:
    return True


def _uncounted(_: str, __: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Doors:
    """Keys of tokens; who a message went to; where its links lead; its HTML; where effects go.

    `lookup`, `link_target`, `render` and `profile` may be plain functions or coroutines. `link_target` gives None
    for an unknown link, `render` for a message that can't be shown. `own_host` says whether a host name serves this
    recipient's tenant, so that no tenant can lend another's name to its links. `ready` gives an empty text
    or why not. `metrics` gives the page of /metrics; `counted` is told (route, status) of each request.
    """

    tokens: Keys
    lookup: Callable[[MessageId], Maybe[Recipient | None]]
    link_target: Callable[[Recipient, int], Maybe[str | None]]
    render: Callable[[Recipient], Maybe[str | None]]
    feedback: Feedback
    suppressions: Suppressions
    campaigns: Campaigns
    profile: Callable[[str], Maybe[Profile | None]] = _nobody
    own_host: Callable[[str, Recipient], Maybe[bool]] = _anywhere
    ready: Callable[[], Maybe[str]] = _ready
    metrics: Callable[[], bytes] | None = None
    counted: Callable[[str, str], None] = _uncounted
    now: Callable[[], float] = time.time


async def answer_or(value: Callable[[], Maybe[T]], other: T) -> T:
    """Return what a door gives, or `other` when it fails or takes too long: what is asked here can do without."""
    try:
        found = value()
        if not inspect.isawaitable(found):
            return found
        async with asyncio.timeout(PATIENCE):
            return await answer(found)
    except Exception as error:
        _log.warning("a request does without: %s", error or type(error).__name__)
        return other


async def answer(value: Maybe[T]) -> T:
    """Return what a door gave, awaited where it must be."""
    if inspect.isawaitable(value):
        awaited: T = await value
        return awaited
    return value
