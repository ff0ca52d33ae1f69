"""What kills, at moments that are waited for, and has the ledger checked in between (`bench.watch`)."""

import asyncio
import random
import signal
import time
from typing import Any

from bench.fleet import Victim, fleet
from bench.rig import Rig
from bench.snapshot import expanding
from bench.watch import Watch
from mta.queue.link import QueueDown

IN_FLIGHT = 50  # a kill counts with so many messages in flight
DOTS = 10  # open at the receiver: then a kill comes after the dot
MOMENT_SECONDS = 1.0  # a moment that does not come in time is not waited for
AWAY_SECONDS = 10.0  # a stopped worker: longer than lease, grace and the others' next look together
BACK_SECONDS = 5.0  # for it to notice, when it goes on
LOOK_SECONDS = 0.003
GONE_BY = 0.9  # of all handed in so far, before the next wave
SPARE = 2  # for so many kills one wave more
CHECKS = 5  # during a run; one more at its end


class Storm:
    """Kills as a deck says; `log` tells of every kill, `checks` of the ledger at times."""

    def __init__(self, rig: Rig, watch: Watch, chance: random.Random, ends: float) -> None:
        self.rig = rig
        self.watch = watch
        self.chance = chance
        self.ends = ends
        self.began = time.monotonic()
        self.log: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self._stopped: Victim | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wave = 0  # recipients to be handed in by now
        self._step = 0  # and in one wave
        self._submitting: asyncio.Task[None] | None = None

    async def play(self, cards: list[tuple[str, str]]) -> None:
        """Submit, kill, check, wait for the end of it all."""
        watch = self.watch
        # A wave of mail for each kill, so that there is always enough under way to hit, and some for a second try.
        self._step = max(1, watch.plan.count // (len(cards) + max(1, len(cards) // SPARE)))
        try:
            await watch.suppress()
            for number, (name, moment) in enumerate(cards, 1):
                await self._more()
                await self._strike(name, moment)
                if not await self._progress(int(watch.submitted * GONE_BY)):
                    break
                if number % max(1, len(cards) // CHECKS) == 0:
                    await self._check()
            if len(self.log) < len(cards):
                self.faults.append(f"{len(cards) - len(self.log)} kills did not come to pass")
            self._wave = watch.plan.count
            await self._more()
            # Who was stopped wakes while there may still be mail, and finds that nothing is its own any more.
            await asyncio.gather(*self._tasks)
            await self._progress(None)
        finally:
            if self._submitting is not None:
                self._submitting.cancel()
            for task in self._tasks:
                task.cancel()
            if self._stopped is not None:
                self._stopped.send(signal.SIGCONT)
            await self._check()
            await watch.client.aclose()

    async def _more(self) -> None:
        """Begin to hand in the next wave, when the one before is handed in."""
        if self._submitting is not None:
            await self._submitting
        self._wave += self._step
        self._submitting = asyncio.create_task(self.watch.submit(self._wave))

    async def _progress(self, finals: int | None) -> bool:
        """Wait for so many final events, None for the end; False when there is no more time."""
        while time.monotonic() < self.ends:
            try:
                done = await self.watch.follow()
            except QueueDown:
                done = -1
            if self.watch.finished() or (finals is not None and done >= finals):
                return True
            await asyncio.sleep(0.02)
        if finals is None:
            self.faults.append("the time was over before everybody had a final event")
        return False

    async def _check(self) -> None:
        verdict = await self.watch.check()
        self.checks.append({"at": round(time.monotonic() - self.began, 2), **verdict})

    async def _strike(self, name: str, moment: str) -> None:
        if name == "pause" and self._stopped is not None:
            name = "worker"
        found = await self._moment(name, moment)
        if found is None:
            return
        victim, flying, happened = found
        dots = (await asyncio.to_thread(self.rig.received))["dots_open"]
        if name == "sink":
            await asyncio.to_thread(self.rig.kill_receiver)
            self._later(self._revive(self.chance.random()))
        elif victim is None:
            return
        elif name == "pause":
            victim.send(signal.SIGSTOP)
            self._stopped = victim
            self._later(self._wake(victim))
        else:
            victim.kill()
        self.log.append({
            "at": round(time.monotonic() - self.began, 2), "victim": name, "moment": happened, "in_flight": flying,
            "dots_open": dots,
        })  # fmt: skip

    async def _moment(self, name: str, wanted: str) -> tuple[Victim | None, int, str] | None:
        """Wait for the moment; return the victim, what is in flight, and whether it came. None: nothing to kill."""
        asked = time.monotonic()
        before: dict[str, int] = {}
        length = -1
        while time.monotonic() < self.ends:
            await asyncio.sleep(LOOK_SECONDS)
            late = time.monotonic() > asked + MOMENT_SECONDS
            try:
                flights = await self.watch.flights()
                victim = self._victim(name, flights, young=wanted == "recover" and not late)
                mine = flights.get(victim.lease, 0) if victim is not None else 0
                flying = mine if name in ("worker", "pause") else sum(flights.values())
                grown = victim is not None and mine >= before.get(victim.lease, mine) + 8
                events_now = int(await self.watch.client.xlen(self.watch.keys.events(0)))
                happens = {
                    "any": True,
                    "take": grown,
                    "dots": wanted == "dots" and (await self._dots()) >= DOTS,
                    "settle": 0 <= length < events_now,
                    "recover": bool(self.log) and victim is not None and victim.age < 1.0,
                    "put": wanted == "put" and any((await self.watch.inspect.submitted()).values()),
                    "expand": wanted == "expand" and await expanding(self.watch.client, self.watch.keys) > 0,
                }[wanted]
                await self.watch.follow()
            except QueueDown:
                continue
            before, length = flights, events_now
            if flying >= IN_FLIGHT and (victim is not None or name == "sink") and (happens or late):
                return victim, flying, wanted if happens else "any"
            if self.watch.finished():
                return None
            gone = self.watch.told.done >= self.watch.submitted * GONE_BY
            if gone and self._submitting is not None and self._submitting.done():
                await self._more()  # what was there has gone before it could be hit
        return None

    async def _dots(self) -> int:
        return int((await asyncio.to_thread(self.rig.received))["dots_open"])

    def _victim(self, name: str, flights: dict[str, int], *, young: bool) -> Victim | None:
        assert self.rig.engine is not None
        role = "worker" if name == "pause" else name
        found = [one for one in fleet(self.rig.engine.pid) if one.role == role]
        stopped = self._stopped.pid if self._stopped is not None else 0
        found = [one for one in found if one.pid != stopped]
        if young:
            found.sort(key=lambda one: one.age)
            return found[0] if found else None
        full = [one for one in found if flights.get(one.lease, 0) >= IN_FLIGHT] if role == "worker" else found
        return self.chance.choice(full) if full else None

    async def _revive(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.rig.revive_receiver)

    async def _wake(self, victim: Victim) -> None:
        await asyncio.sleep(AWAY_SECONDS)
        until = time.monotonic() + BACK_SECONDS
        while victim.lease in await self._leases() and time.monotonic() < until:
            await asyncio.sleep(0.05)
        if victim.lease in await self._leases():
            self.faults.append(
                f"nobody has recovered {victim.name}, stopped for {AWAY_SECONDS + BACK_SECONDS} s"
            )
        victim.send(signal.SIGCONT)
        until = time.monotonic() + BACK_SECONDS
        while victim.lease not in await self._leases() and time.monotonic() < until:
            await asyncio.sleep(0.05)
        if victim.lease not in await self._leases():
            self.faults.append(f"{victim.name} went on and did not register again within {BACK_SECONDS} s")
        self._stopped = None

    async def _leases(self) -> set[str]:
        while True:
            try:
                return set(await self.watch.flights())
            except QueueDown:
                await asyncio.sleep(0.05)

    def _later(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
