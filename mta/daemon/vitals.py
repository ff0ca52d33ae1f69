"""What each process measures of itself every two seconds, and the keeper of the queue every few: the gauges.

Also whether Redis answers, which readiness, systemd's watchdog and an alert go by.
"""

import asyncio
import logging
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from mta.config.settings import Settings
from mta.daemon.attendance import Attendance
from mta.daemon.measured import counted_ask, time_calls
from mta.message import Class
from mta.metrics.meter import Meter, Series
from mta.queue.inspect import Inspect
from mta.queue.link import QueueDown
from mta.queue.soundings import Soundings

ANSWER_SECONDS: Final = 5.0
"""Redis not answering for longer is away."""
QUEUE_SECONDS: Final = 5.0
CERTIFICATE_SECONDS: Final = 3600.0
CLOCK_SECONDS: Final = 60.0
CLOCK_OFF_SECONDS: Final = 5.0
MAX_PEM: Final = 4 << 20
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_log = logging.getLogger("mta")
_LABELS: Final = tuple(cls.label for cls in Class)


class Vitals:
    """The gauges of one process. `built` is its role; what of it can be measured from outside is wired here."""

    def __init__(self, settings: Settings, role: str, name: str, built: Any) -> None:
        self.settings = settings
        self.role = role
        self.meter = Meter(time.time())
        self.away = ""  # why Redis does not answer; empty while it does
        self._built = built
        self._queueing: Any = getattr(built, "queueing", None)
        self._spool = settings.paths.spool / f"{name}.events"
        self._cpu = 0.0
        self._lost = 0
        self._queue_at = self._certificates_at = self._clock_at = 0.0
        self.meter.count("process_starts_total", role)
        self.meter.gauge("processes", 1, role)
        self.attendance: Attendance | None = None
        self._clock_off = ""
        if self._queueing is not None:
            time_calls(self._queueing.client, self.meter)
            self.attendance = Attendance(self._queueing.client, self._queueing.keys, role, name, built)
        resolvers = {
            id(worker.doors.resolver): worker.doors.resolver for worker in getattr(built, "workers", ())
        }
        for resolver in resolvers.values():  # the workers of all shards share one
            resolver.ask = counted_ask(resolver.ask, self.meter)
        if hasattr(built, "counted_ask"):
            built.counted_ask = partial(counted_ask, meter=self.meter)  # another one, after a reload
        for worker in getattr(built, "workers", ()):
            worker.doors.counted, worker.doors.timed = self.meter.count, self.meter.observe
            worker.doors.sources.counted = self.meter.count

    async def sample(self) -> None:
        """Measure everything that is due; never raises."""
        self._process()
        self._files()
        if self._queueing is None:
            return
        self.away = await answers(self._queueing.client.ping)
        self.meter.gauge("redis_away_processes", 1 if self.away else 0)
        now = time.monotonic()
        if not self.away and now >= self._clock_at:
            self._clock_at = now + CLOCK_SECONDS
            await self._clock()
        if not self.away and self.attendance is not None:
            await self.attendance.sign(self._clock_off)
        if self.role == "keeper" and not self.away and now >= self._queue_at:
            self._queue_at = now + QUEUE_SECONDS
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._queue()
            except (QueueDown, OSError, TimeoutError):
                pass  # the next look will tell
        if self.role == "keeper" and now >= self._certificates_at:
            self._certificates_at = now + CERTIFICATE_SECONDS
            self.meter.gauges("certificate_expiry_seconds", await asyncio.to_thread(self._certificates))

    async def _clock(self) -> None:
        """Whether this host's clock and Redis's agree: the queue goes by Redis's alone, logs and `Date` by ours."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                seconds, micros = await self._queueing.client.time()
        except (QueueDown, OSError, TimeoutError):
            return  # the next look will tell
        off = time.time() - int(seconds) - int(micros) / 1e6
        self.meter.gauge("clock_off_processes", 1 if abs(off) > CLOCK_OFF_SECONDS else 0)
        self._clock_off = ""
        if abs(off) > CLOCK_OFF_SECONDS:
            self._clock_off = f"this host's clock is {off:+.0f} s off Redis's; set both by NTP"
            _log.warning("%s", self._clock_off)

    def refused(self, why: str) -> None:
        """The configuration read last is not used, for this reason; empty: it is."""
        if self.attendance is not None:
            self.attendance.refuse(why)

    async def leave(self) -> None:
        """Take the process off the roll."""
        if self.attendance is not None and not self.away:
            await self.attendance.off()

    def late(self, seconds: float) -> None:
        """The event loop ran something so much later than it was due."""
        self.meter.observe("loop_lag_seconds", max(0.0, seconds), self.role)

    def _process(self) -> None:
        meter, role = self.meter, self.role
        used = time.process_time()
        meter.count("process_cpu_seconds_total", role, n=used - self._cpu)
        self._cpu = used
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        meter.gauge("process_resident_bytes", pages * _PAGE, role)
        meter.gauge("process_open_fds", len(os.listdir("/proc/self/fd")), role)
        meter.gauge("process_max_fds", resource.getrlimit(resource.RLIMIT_NOFILE)[0], role)

    def _files(self) -> None:
        watch = getattr(self._built, "watch", None)
        if watch is not None and watch.log.lost > self._lost:
            self.meter.count("maillog_lost_total", n=watch.log.lost - self._lost)
            self._lost = watch.log.lost
        if self.role == "web":
            try:
                size = self._spool.stat().st_size
            except OSError:
                size = 0
            self.meter.gauge("web_spooled_bytes", size)

    async def _queue(self) -> None:
        client, keys, meter = self._queueing.client, self._queueing.keys, self.meter
        inspect, soundings = Inspect(client, keys), Soundings(client, keys)
        messages: Series = {}
        for label, depth in zip(_LABELS, await inspect.depth(), strict=True):
            messages[(label, "ready")] = depth.ready
            messages[(label, "packed")] = depth.packed
            messages[(label, "scheduled")] = depth.scheduled
        meter.gauges("queue_messages", messages)
        submitted = await inspect.submitted()
        meter.gauges("queue_submitted_entries", {(label,): n for label, n in submitted.items()})
        oldest, paused = await soundings.due()
        ages = zip(_LABELS, oldest, strict=True)
        meter.gauges("queue_oldest_seconds", {(label,): age for label, age in ages})
        meter.gauges("site_backoff", {(site,): 1 for site in set(paused.values())})
        meter.gauges("events_lag", {(group,): n for group, n in (await soundings.lags()).items()})
        meter.gauges("gates_closed", {(kind,): n for kind, n in (await soundings.closed()).items()})

    def _certificates(self) -> Series:
        found: Series = {}
        for _, path in certificates(self.settings):
            if (left := seconds_left(path, time.time())) is not None:
                found[(path.name,)] = left
        return found


def certificates(settings: Settings) -> list[tuple[str, Path]]:
    """Return the certificates of the settings, with the setting that names each."""
    named = {
        "inbound.certificate": settings.inbound.certificate,
        "web.certificate": settings.web.certificate,
        "redis.tls_ca": settings.redis.tls_ca,
        "net.tls_authorities": settings.net.tls_authorities,
    }
    return [(name, Path(path)) for name, path in named.items() if path]


async def answers(ping: Callable[[], Any]) -> str:
    """Return why Redis does not answer, empty when it does; a server that still loads its file does."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await ping()
    except TimeoutError:
        return f"Redis has not answered for {ANSWER_SECONDS:.0f} s"
    except Exception as error:
        return "" if "is loading" in str(error) else str(error)
    return ""


def seconds_left(path: Path, now: float) -> float | None:
    """Return the time until the first certificate of a PEM file ends, negative when it has; None: unreadable."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        with path.open("rb") as file:
            found = load_pem_x509_certificates(file.read(MAX_PEM))
    except (OSError, ValueError):
        return None
    return min((one.not_valid_after_utc.timestamp() for one in found), default=now) - now
