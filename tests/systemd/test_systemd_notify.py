"""What systemd is told, on a real datagram socket: readiness, status, and a watchdog fed only while all is well."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mta.daemon import notify
from mta.daemon.metrics_page import SILENT_SECONDS, MetricsPage
from mta.daemon.pulse import Pulse
from mta.metrics.merged import Merged
from mta.metrics.meter import Meter


class Systemd:
    """The manager's end of the notification socket."""

    def __init__(self, path: Path) -> None:
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind(str(path))
        self.wire.setblocking(False)

    def heard(self) -> list[str]:
        """Return the lines that came since the last look."""
        lines: list[str] = []
        while True:
            try:
                lines += self.wire.recv(65536).decode().split("\n")
            except BlockingIOError:
                return lines


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    manager = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield manager
    manager.wire.close()


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify.notify("READY=1")


def test_a_socket_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"mta-test-{os.getpid()}"
        manager.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert notify.notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_a_reload_names_its_time(systemd: Systemd) -> None:
    assert notify.reloading()
    first, second = systemd.heard()
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("60000000", "", 60.0),
        ("60000000", "own", 60.0),
        ("60000000", "1", 0.0),
        ("x", "", 0.0),
        ("0", "", 0.0),
    ],
)
def test_the_watchdog_is_for_one_process(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert notify.watchdog_seconds() == seconds


def test_the_status_line_has_rate_depth_and_fault(systemd: Systemd) -> None:
    meter, merged, faults = Meter(1), Merged(), [""]
    pulse = Pulse(merged.totals, lambda: faults[0])
    pulse.beat(100.0, fed=True)
    meter.count("messages_delivered_total", "x.example", "default", n=500)
    meter.gauge("queue_messages", 30, "bulk", "ready")
    meter.gauge("queue_messages", 12, "bulk", "scheduled")
    meter.gauge("in_flight_messages", 7)
    merged.update("worker1", meter.snapshot())
    systemd.heard()
    assert pulse.beat(110.0, fed=True).startswith("50 delivered/s, 42 queued, 7 in flight")
    status, fed = systemd.heard()
    assert status.startswith("STATUS=50 delivered/s, 42 queued")
    assert fed == "WATCHDOG=1"
    faults[0] = "Redis does\nnot answer"
    assert pulse.beat(111.0, fed=True).endswith("; Redis does not answer")
    assert not any(line.startswith("WATCHDOG") for line in systemd.heard())
    faults[0] = ""
    pulse.beat(112.0, fed=False)
    assert "WATCHDOG=1" not in systemd.heard()


async def test_the_page_beats_from_its_start(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    page = MetricsPage("", 5, lambda: True)
    await page.start()
    lines: list[str] = []
    async with asyncio.timeout(10):
        while lines.count("WATCHDOG=1") < 3:
            await asyncio.sleep(0.01)
            lines += systemd.heard()
    assert any(line.startswith("STATUS=") for line in lines)
    await page.stop()
    await asyncio.sleep(0)
    systemd.heard()
    await asyncio.sleep(0)
    assert systemd.heard() == []


def told(page: MetricsPage, name: str, *, away: bool) -> None:
    meter = Meter(1)
    meter.gauge("redis_away_processes", 1 if away else 0)
    page.told(name, meter.snapshot())


def test_a_hung_process_and_a_lost_redis_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("mta.daemon.metrics_page.time.monotonic", lambda: now[0])
    page = MetricsPage("", 5, lambda: True)
    assert page.fault() == ""
    told(page, "worker1", away=False)
    told(page, "keeper", away=True)
    assert page.fault() == ""  # one that is cut off is its own affair
    told(page, "worker1", away=True)
    assert page.fault() == "Redis does not answer"
    told(page, "worker1", away=False)
    now[0] += SILENT_SECONDS + 1
    told(page, "keeper", away=False)
    assert page.fault().startswith("worker1 silent")
    page.died("worker1")
    assert page.fault() == ""


def test_a_reload_is_counted_and_a_refused_one_stands() -> None:
    page = MetricsPage("", 5, lambda: True)
    page.reloaded(used=False)
    totals = page.merged.totals()
    assert totals.gauges["reload_refused"] == {(): 1}
    page.reloaded(used=True)
    totals = page.merged.totals()
    assert totals.counters["reloads_total"] == {("refused",): 1, ("used",): 1}
    assert totals.gauges["reload_refused"] == {(): 0}
