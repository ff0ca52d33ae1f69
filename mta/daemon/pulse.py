"""The pulse systemd feels: the status line and, only while all is well, the watchdog.

The task runs on the event loop it vouches for: a loop that hangs says nothing, and systemd ends the process.
"""

import asyncio
import time
from collections.abc import Callable

from mta.daemon.notify import listened, notify, watchdog_seconds
from mta.metrics.merged import Totals

BEAT_SECONDS = 1.0


class Pulse:
    """`totals` gives the metrics so far; `fault` why the process is not well, empty when it is."""

    def __init__(self, totals: Callable[[], Totals], fault: Callable[[], str]) -> None:
        self._totals = totals
        self._fault = fault
        self._sent = 0.0
        self._sent_at = 0.0
        self._said = ""

    async def run(self) -> None:
        """Beat until cancelled, at least four times in the time the watchdog grants; not at all for nobody."""
        if not listened():
            return  # to add up everybody's metrics for each beat is not free
        granted = watchdog_seconds()
        every = min(BEAT_SECONDS, granted / 4) if granted else BEAT_SECONDS
        while True:
            self.beat(time.monotonic(), fed=bool(granted))
            await asyncio.sleep(every)

    def beat(self, now: float, *, fed: bool) -> str:
        """Say once how things are; return the status text. `now` in seconds of a clock that never jumps."""
        fault = self._fault()
        text = self.text(now, fault)
        lines = []
        if text != self._said:
            lines.append(f"STATUS={text}")
            self._said = text
        if fed and not fault:
            lines.append("WATCHDOG=1")
        if lines:
            notify("\n".join(lines))
        return text

    def text(self, now: float, fault: str) -> str:
        """Return one line: the rate since the last, what waits, and what is wrong."""
        totals = self._totals()
        sent = sum(totals.counters.get("messages_delivered_total", {}).values())
        taken = sum(totals.counters.get("messages_accepted_total", {}).values())
        waiting = sum(totals.gauges.get("queue_messages", {}).values())
        flying = sum(totals.gauges.get("in_flight_messages", {}).values())
        seconds = now - self._sent_at
        rate = max(0.0, sent - self._sent) / seconds if self._sent_at and seconds > 0 else 0.0
        self._sent, self._sent_at = sent, now
        parts = [
            f"{rate:.0f} delivered/s",
            f"{waiting:.0f} queued",
            f"{flying:.0f} in flight",
            f"{sent:.0f} delivered, {taken:.0f} accepted since the start",
        ]
        return ", ".join(parts) + (f"; {_plain(fault)}" if fault else "")


def _plain(text: str) -> str:
    return " ".join(text.split())[:200]
