"""Questions to the DNS for doctor: answers as plain tuples, silence as None, and SPF's evaluation driven by them."""

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mta.net.question import Answer, Ask
    from mta.policy.spf import Asking, Outcome

PARALLEL: Final = 16
Found = tuple[str, ...] | None


class Names:
    """Asks by the engine's own resolver settings, a few questions at once, each one once."""

    def __init__(self, ask: "Ask") -> None:
        self._ask = ask
        self._room = asyncio.Semaphore(PARALLEL)
        self._known: dict[tuple[str, str], asyncio.Task[Answer | None]] = {}

    async def of(self, name: str, kind: str) -> Found:
        """Return what the DNS says, best first, empty where there is nothing; None: nobody answered."""
        answer = await self.answer(name, kind)
        return None if answer is None else tuple(text for _, text in sorted(answer.values) if text)

    async def answer(self, name: str, kind: str) -> "Answer | None":
        """Return the whole answer; None: nobody answered, or it is no name that can be asked for."""
        key = (name.lower(), kind)
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._one(*key))
        # A check whose time is over is cancelled; others may wait for the same answer.
        return await asyncio.shield(self._known[key])

    async def _one(self, name: str, kind: str) -> "Answer | None":
        from mta.net.question import Unroutable

        async with self._room:
            try:
                return await self._ask(name, kind)
            except Unroutable:
                return None

    async def addresses(self, name: str) -> Found:
        """Return a host's addresses of both families; None: the DNS is silent about one and knows none."""
        four, six = await asyncio.gather(self.of(name, "A"), self.of(name, "AAAA"))
        found = (four or ()) + (six or ())
        return None if not found and (four is None or six is None) else found

    async def spf(self, address: str, domain: str, helo: str) -> "Outcome":
        """Return what a domain's SPF record says of mail from an address."""
        from mta.policy.spf import check

        asking: Asking = check(address, domain, helo)
        return await _driven(asking, self)


async def _driven(asking: "Asking", names: Names) -> "Outcome":
    question = next(asking)
    while True:
        found = await names.of(*question)
        try:
            question = asking.send(found)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
