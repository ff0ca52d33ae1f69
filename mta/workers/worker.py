"""The delivery loop: register, take what may be sent, hand it to sessions; recover what others left.

No throttle lives here: a taken message is permission to send. All waiting is for Redis or for peers.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from mta.message import Flag
from mta.queue import codec
from mta.queue.lanes import MOST, Report, Result
from mta.queue.link import QueueDown
from mta.queue.scripts import LostLease
from mta.queue.wake import HASTE
from mta.reply import Reply
from mta.verdict import Stage, judge
from mta.workers import outcome as outcomes
from mta.workers.delivery import Delivery, give_back
from mta.workers.outcome import Hop
from mta.workers.plan import Doors, Plan
from mta.workers.settler import Lease, Settler, boot_clock
from mta.workers.window import Window

RECOVER_GRACE_MS = 5_000
MOST_DEATHS = 3
KILLED = f"set aside: the worker died {MOST_DEATHS} times while it made this message"
SWEEP_SECONDS = 0.25
LAG_SECONDS = 0.05
IDLE_SECONDS = 0.5
IDLE_TAKE_SECONDS = 3.0
PAUSE_BETWEEN_TAKES = 0.002
HIGH = 16  # messages of the higher classes that a busy worker takes beyond its window
ROOM = 4  # a busy worker asks for more when this part of its window is free


class Worker:
    """One worker of one shard: `run` until `drain`."""

    def __init__(self, plan: Plan, doors: Doors) -> None:
        self.plan = plan
        self.queue = doors.queue
        self.doors = doors
        self.lease = Lease(plan.name, plan.lease_ms)
        self.settler = Settler(doors.queue, self.lease)
        self.delivery = Delivery(plan, doors, self.lease, self.settler.add, self.settler.pause, self.wake)
        self.delivery.answers = self.settler.answers
        self.settler.interval = plan.defaults.wire()[0]
        self.settler.before = self.delivery.before_settle
        self.settler.settled = self.delivery.settled
        self.window = Window(plan.in_flight)
        self._kick = asyncio.Event()
        self._hasty = False
        self._draining = False

    def __repr__(self) -> str:
        return f"<Worker {self.plan.name} {self.delivery!r} {self.window!r}>"

    def wake(self) -> None:
        """There may be something to take, or room for it."""
        self._kick.set()

    def replan(self, plan: Plan) -> None:
        """Use new settings from the next message on."""
        self.plan = plan
        self.settler.interval = plan.defaults.wire()[0]
        self.delivery.replan(plan)

    def drain(self) -> None:
        """Take nothing more; `run` returns when what is under way is settled."""
        self._draining = True
        self.wake()

    async def run(self) -> None:
        """Work until `drain` is called; a lost lease or a lost queue is answered by registering anew."""
        while not self._draining:
            try:
                await self._live()
            except* LostLease:
                self.delivery.abandon("the lease was lost")
                self.settler.drop()
            except* (QueueDown, OSError):
                await asyncio.sleep(0.5)

    async def _live(self) -> None:
        asked_at = boot_clock()
        self.lease.epoch, left = await self.queue.register(self.plan.name, self.plan.lease_ms)
        self.lease.renewed(asked_at)
        self.delivery.dispatch.paths.tell_all()
        if left:
            await self._pick_up()
        async with asyncio.TaskGroup() as group:
            keepers = [
                group.create_task(loop())
                for loop in (self.settler.run, self._sweep, self._measure, self._listen, self._recover_others)
            ]
            await self._take_loop()
            await self._finish()
            for keeper in keepers:
                keeper.cancel()

    # what an earlier life left

    async def _pick_up(self) -> None:
        past = self.doors.journal.past
        results: list[Result] = []
        for message_id, lane, raw in await self.queue.flight(self.plan.name):
            if message_id in self.delivery.flying:
                continue  # ours, from before the connection to the queue broke
            try:
                item = codec.decode(raw, lane)
            except ValueError:
                continue  # a newer engine's: it will come for it
            answered = past.answered.get(message_id)
            if answered is not None:
                verdict = judge(Stage.DOT, Reply(answered[0], (answered[1],)))
                results.append(self.delivery.outcome(item, verdict, Hop()))
                continue
            if message_id in past.open:
                item.record.flags |= Flag.MAYBE_SENT
            if message_id == past.making and self._kills(item):
                results.append(outcomes.set_aside(item, KILLED, self.delivery.now_ms()))
            else:
                results.append(give_back(item))
        for start in range(0, len(results), MOST):
            chunk = results[start : start + MOST]
            await self.queue.settle(self.plan.name, self.lease.epoch, self.plan.lease_ms, chunk)
            for result in chunk:
                self.doors.told(result)
        if not self.delivery.flying:
            self.doors.journal.forget_past()

    def _kills(self, item: codec.Item) -> bool:
        """Count that a worker died while it made this message; whether that was once too often (promise P7)."""
        deaths = (item.record.flags & Flag.DEATHS) // Flag.DEATH + 1
        item.record.flags = item.record.flags & ~Flag.DEATHS | min(deaths, 3) * Flag.DEATH
        return deaths >= MOST_DEATHS

    async def _recover_others(self) -> None:
        # Every worker looks; the script lets only one act. A name that comes back first recovers itself.
        while True:
            await asyncio.sleep(self.plan.lease_ms / 2000 * (1 + self.delivery.chance.random()))
            now = time.time() * 1000
            for name, ends in (await self.queue.workers()).items():
                if name != self.plan.name and ends + RECOVER_GRACE_MS < now:
                    await self.queue.recover(name, RECOVER_GRACE_MS)

    # take

    async def _take_loop(self) -> None:
        dispatch, paths = self.delivery.dispatch, self.delivery.dispatch.paths
        took_at = 0.0
        while not self._draining:
            await self.settler.sure()
            self._kick.clear()
            flying = len(self.delivery.flying)
            most = max(0, min(self.plan.sessions - paths.busy, self.plan.opening - dispatch.opening))
            room = max(0, min(self.window.size - flying, MOST)) if most else 0
            want, high = (0, room) if self.plan.courier else (room, HIGH)
            # A call costs the same for one message as for fifty: wait for room, but not for long, and not when
            # mail of a higher class has come.
            hasty, self._hasty = self._hasty, False
            if (
                flying
                and not hasty
                and room < self.window.size // ROOM
                and time.monotonic() - took_at < LAG_SECONDS
            ):
                await self._sleep(LAG_SECONDS)
                continue
            took_at = time.monotonic()
            reports = paths.reports()
            if room == 0 and not hasty and not reports and self.lease.held:
                await self._sleep(1.0)
                continue
            try:
                took, soonest = await self._take(want, high, most, reports)
            except QueueDown:
                paths.untold(reports)
                raise
            if took and not (self.plan.courier and took < high and soonest < 0):
                # Others that finish in this moment are served by the same call.
                await asyncio.sleep(PAUSE_BETWEEN_TAKES)
            elif room and soonest >= 0:
                await self._sleep(min(1.0, max(soonest, 5) / 1000))
            else:
                # Nothing waits, and the bell will ring; the call after this one renews the lease.
                await self._sleep(min(IDLE_TAKE_SECONDS, self.plan.lease_ms / 4000))

    async def _take(self, want: int, high: int, most: int, reports: Sequence[Report]) -> tuple[int, int]:
        plan = self.plan
        asked_at = boot_clock()
        with self.settler.taking() as took:
            taken = await self.queue.take(
                plan.name, self.lease.epoch, want=want, most=most, lease_ms=plan.lease_ms,
                defaults=plan.defaults, reports=reports, high=high, floor=plan.floor,
                courier=plan.courier, pools=plan.pools.wire,
            )  # fmt: skip
            took(item.id for batch in taken.batches for item in batch.items)
        self.lease.renewed(asked_at)
        now = time.monotonic()
        for message_id, lane, why in taken.unreadable:
            self.settler.add(outcomes.unreadable(message_id, lane, why, self.delivery.now_ms()))
        if self.doors.stops is not None and taken.batches:
            await self.delivery.look_again(item for batch in taken.batches for item in batch.items)
        if plan.pools.warming:
            self.delivery.warming.begin(taken.batches, plan.pools, taken.now)
        for batch in taken.batches:
            self.delivery.send(batch, now)
        for path in taken.shed:
            self.delivery.dispatch.shed(path)
        return sum(len(batch.items) for batch in taken.batches), taken.next

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._kick.wait()

    async def _listen(self) -> None:
        while True:
            rung = await self.doors.bell.rung()
            if rung:
                self._hasty = self._hasty or rung == HASTE
                self.wake()

    async def _finish(self) -> None:
        while self.delivery.flying:
            self._kick.clear()
            await self._kick.wait()
        await self.settler.drained()
        await self.delivery.dispatch.close()

    # time

    async def _sweep(self) -> None:
        dispatch = self.delivery.dispatch
        while True:
            await asyncio.sleep(SWEEP_SECONDS if dispatch.sessions else IDLE_SECONDS)
            dispatch.sweep(asyncio.get_running_loop().time())

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self.delivery.flying:
                await asyncio.sleep(IDLE_SECONDS)  # nothing waits for this loop, so its lag says nothing
                continue
            due = loop.time() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            flying, before = len(self.delivery.flying), self.window.size
            self.window.lagged(loop.time() - due, flying)
            if self.window.size > before <= flying:
                self.wake()  # it was full, and has room now
