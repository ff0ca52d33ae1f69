"""What is measured from outside: calls to Redis, DNS questions, the process itself, the queue."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from redis.exceptions import ResponseError

from mta.config.settings import Settings
from mta.daemon.measured import counted_ask, script_names, time_calls
from mta.daemon.vitals import Vitals, answers, seconds_left
from mta.message import Record
from mta.metrics.meter import Meter, joined
from mta.net.resolver import Answer, Unroutable
from mta.queue import codec, scripts
from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client, QueueDown
from mta.queue.soundings import Soundings


def counter(meter: Meter, name: str, *labels: str) -> float:
    return {tuple(key): value for key, value in meter.snapshot()["counters"].get(name, [])}.get(labels, 0)


def observed(meter: Meter, name: str, *labels: str) -> float:
    rows = {tuple(key): cells for key, cells in meter.snapshot()["histograms"].get(name, [])}
    return float(sum(rows.get(labels, [0, 0])[:-1]))


def gauges(meter: Meter, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(key): value for key, value in meter.snapshot()["gauges"].get(name, [])}


async def test_calls_are_timed_by_name(client: Client, keys: Keys) -> None:
    meter = Meter(1)
    time_calls(client, meter)
    await client.ping()
    await client.get("x")
    assert observed(meter, "redis_call_seconds", "ping") == 1
    assert observed(meter, "redis_call_seconds", "get") == 1
    assert counter(meter, "redis_errors_total") == 0


class Failing:
    """A client whose calls fail as told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def execute_command(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "metric"),
    [(QueueDown("gone"), "redis_errors_total"), (ResponseError("LOST lease of w1"), "lease_lost_total")],
)
async def test_failures_are_counted_and_pass_on(error: Exception, metric: str) -> None:
    client, meter = Failing(error), Meter(1)
    time_calls(client, meter)
    with pytest.raises(type(error)):
        await client.execute_command("EVALSHA", scripts.digest("settle"), 1, "k", "a")
    assert counter(meter, metric) == 1
    assert sum(counter(meter, name) for name in ("redis_errors_total", "lease_lost_total")) == 1
    assert observed(meter, "redis_call_seconds", "settle") == 1


def test_every_script_has_a_name() -> None:
    named = script_names()
    assert {"take", "settle", "put", "register"} <= set(named.values())
    assert all(len(digest) == 40 for digest in named)


async def test_dns_questions_are_counted_by_their_result() -> None:
    async def ask(name: str, _: str) -> Answer:
        if name == "down":
            raise Unroutable(451, "4.4.3 silence")
        return Answer(((0, "192.0.2.1"),) if name == "there" else (), 60.0)

    meter = Meter(1)
    asked = counted_ask(ask, meter)
    assert (await asked("there", "A")).values
    assert not (await asked("not", "A")).values
    with pytest.raises(Unroutable):
        await asked("down", "A")
    assert [counter(meter, "dns_lookups_total", result) for result in ("answer", "none", "error")] == [
        1,
        1,
        1,
    ]
    assert observed(meter, "dns_lookup_seconds") == 3


async def test_redis_answers_while_it_loads_its_file() -> None:
    async def fine() -> bool:
        return True

    async def loading() -> bool:
        raise QueueDown("Redis: Valkey is loading the dataset in memory")

    async def gone() -> bool:
        raise QueueDown("Redis: connection refused")

    assert await answers(fine) == ""
    assert await answers(loading) == ""
    assert "refused" in await answers(gone)


class Queueing:
    """A role's way to Redis, as the assembly makes it."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys


class Built:
    """A role with nothing in it."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.queueing = Queueing(client, keys)


async def test_the_keeper_measures_the_queue(client: Client, keys: Keys, tmp_path: Path) -> None:
    await client.xadd(keys.submit_stream("bulk"), {"v": "1"})
    await client.xadd(keys.events(0), {"event": "accepted"})
    await client.xgroup_create(keys.events(0), "web", id="0")
    await Control(client, keys).close(Scope("t|acme"), Gate("suspended"), {})
    vitals = Vitals(Settings(), "keeper", "keeper", Built(client, keys))
    await vitals.sample()
    meter = vitals.meter
    assert gauges(meter, "queue_submitted_entries")[("bulk",)] == 1
    assert gauges(meter, "events_lag") == {("web",): 1}
    assert gauges(meter, "gates_closed") == {("tenant",): 1}
    assert gauges(meter, "queue_messages")[("urgent", "ready")] == 0
    assert gauges(meter, "queue_oldest_seconds") == {("urgent",): 0, ("transactional",): 0, ("bulk",): 0}
    assert gauges(meter, "redis_away_processes") == {(): 0}
    assert gauges(meter, "processes") == {("keeper",): 1}
    assert gauges(meter, "process_resident_bytes")[("keeper",)] > 1 << 20
    assert 0 < gauges(meter, "process_open_fds")[("keeper",)] <= gauges(meter, "process_max_fds")[("keeper",)]
    assert counter(meter, "process_starts_total", "keeper") == 1
    assert counter(meter, "process_cpu_seconds_total", "keeper") > 0


async def test_a_clock_that_is_off_is_told(
    client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vitals = Vitals(Settings(), "ingest", "ingest1", Built(client, keys))
    await vitals.sample()
    assert gauges(vitals.meter, "clock_off_processes") == {(): 0}
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    vitals._clock_at = 0.0
    await vitals.sample()
    assert gauges(vitals.meter, "clock_off_processes") == {(): 1}
    assert "this host's clock is +3600 s off Redis's" in caplog.text


async def test_a_lost_redis_is_told_and_nothing_raises() -> None:
    class Client:
        async def execute_command(self, *_: Any, **__: Any) -> Any:
            raise QueueDown("Redis: connection refused")

        async def ping(self) -> Any:
            return await self.execute_command("PING")

    vitals = Vitals(Settings(), "keeper", "keeper", Built(Client(), Keys()))
    await vitals.sample()
    assert vitals.away
    assert gauges(vitals.meter, "redis_away_processes") == {(): 1}
    assert counter(vitals.meter, "redis_errors_total") == 1


async def test_the_web_s_file_is_measured(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = replace(Settings(), paths=replace(Settings().paths, state=str(tmp_path)))
    vitals = Vitals(settings, "web", "web1", object())
    await vitals.sample()
    assert gauges(vitals.meter, "web_spooled_bytes") == {(): 0}
    settings.paths.spool.mkdir(parents=True)
    (settings.paths.spool / "web1.events").write_bytes(b"x" * 77)
    await vitals.sample()
    assert gauges(vitals.meter, "web_spooled_bytes") == {(): 77}


async def test_the_age_of_what_waits_and_paused_paths(client: Client, keys: Keys) -> None:
    soundings = Soundings(client, keys)
    assert await soundings.due() == ([0.0, 0.0, 0.0], {})
    now = int(time.time() * 1000)
    queue = Queue(client, keys, 0)
    for number, (lane, age) in enumerate(
        (("2|default|x.example|acme|spring", 9000), ("0|default|y.example|b|", 50))
    ):
        born = now - age * 1000
        record = Record(name=f"m{number}", rcpt="jo@x.example", born=born, expires=born + 10**9)
        item = codec.encode(bytes([0, *[0] * 5, number + 1, 0, 0]), record)
        assert await queue.put(f"acme:k{number}", 1, [[lane, 0, item]])
    await client.hset(f"{keys.base(0)}path:default|x.example", "pause", now + 60_000)
    oldest, paused = await soundings.due()
    assert oldest == [pytest.approx(50, abs=20), 0.0, pytest.approx(9000, abs=20)]
    assert paused == {"default|x.example": "x.example"}
    lane = f"{keys.base(0)}lane:0|default|y.example|b|"
    await client.lset(lane, 0, b"\x09of a newer engine")
    assert (await soundings.due())[0][0] == 0.0


def test_a_certificate_s_end(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC).replace(microsecond=0)

    def made(days: int) -> bytes:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x.example")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(now - timedelta(days=9))
        one = builder.not_valid_after(now + timedelta(days=days)).sign(key, hashes.SHA256())
        from cryptography.hazmat.primitives.serialization import Encoding

        return one.public_bytes(Encoding.PEM)

    file = tmp_path / "ca.pem"
    file.write_bytes(made(30) + made(3))
    assert seconds_left(file, now.timestamp()) == 3 * 86400
    file.write_bytes(made(-1))
    assert seconds_left(file, now.timestamp()) == -86400
    file.write_bytes(b"half a cert")
    assert seconds_left(file, now.timestamp()) is None
    assert seconds_left(tmp_path / "gone", 0) is None


def test_two_meters_of_one_process_are_one() -> None:
    one, other = Meter(1), Meter(2)
    one.count("lease_lost_total")
    other.count("redis_errors_total", n=2)
    other.gauge("in_flight_messages", 3)
    both = joined(one.snapshot(), other.snapshot())
    assert both["started"] == 1
    assert both["counters"] == {"lease_lost_total": [[[], 1]], "redis_errors_total": [[[], 2]]}
    assert both["gauges"] == {"in_flight_messages": [[[], 3]]}
