"""HUP on a running engine: what can change does, no session is dropped, and a bad file changes nothing and is told."""

import http.client
import json
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.net.authority import make

SECONDS = 20.0


def until(holds: Callable[[], Any], what: str) -> Any:
    """Ask until the answer is true; return it."""
    ends = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < ends, what
        time.sleep(0.05)
    return found


class Running:
    """A running engine whose configuration is changed."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.rig = engine.rig
        self.path: Path = self.rig.root / "mta.toml"
        self.good = self.rig.root / "good.toml"  # as it was, for commands that ask while the other is bad
        self.good.write_text(self.path.read_text())

    def change(self, *pairs: tuple[str, str], more: str = "") -> None:
        """Replace text of the configuration, add to it, and have it read again."""
        text = self.path.read_text()
        for before, after in pairs:
            assert before in text, before
            text = text.replace(before, after)
        self.path.write_text(text + more)
        self.rig.engine.send_signal(signal.SIGHUP)

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.rig.metrics_port}/metrics", timeout=5) as page:
            text = page.read().decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def used(self, times: int = 1) -> None:
        """Wait until so many reloads were used."""
        until(lambda: self.metric('mta_reloads_total{result="used"}') >= times, "the reload is not used")

    def said(self) -> str:
        return str((self.rig.root / "engine.log").read_text())

    def roles(self) -> dict[str, psutil.Process]:
        return {one.name(): one for one in psutil.Process(self.rig.engine.pid).children(recursive=True)}

    def faults(self) -> list[str]:
        """What the roll says is wrong, as `mta status` tells it."""
        told = json.loads(self.status(self.good, "--json").stdout)
        return [fault for one in told["processes"] if not one["silent"] for fault in one["faults"]]

    def status(self, config: Path, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mta", "status", *words, "-c", str(config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def running(engine: Callable[..., Any]) -> Callable[..., Running]:
    return lambda **more: Running(engine(**more))


def certificate(path: Path, name: str) -> None:
    made = make(name)
    path.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)


def shown(wire: ssl.SSLSocket) -> bytes:
    """The certificate a server shows."""
    found = wire.getpeercert(binary_form=True)
    assert found is not None
    return found


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_workers_come_and_go_and_no_session_is_dropped(running: Callable[..., Running]) -> None:
    here = running(sink=("--dot-delay-ms", "300"), signed=False)
    here.engine.campaign([[f"u{n}@d1.example.test"] for n in range(60)], ["email"])
    here.engine.until(3, "delivered")
    here.change(("count = 1", "count = 3"), ("connections = 20", "connections = 4"))
    until(lambda: {"mta-worker2", "mta-worker3"} <= here.roles().keys(), "no more workers")
    here.change(("count = 3", "count = 1"), more='[retry.bulk]\nfirst = "10s"\n')
    until(lambda: not {"mta-worker2", "mta-worker3"} & here.roles().keys(), "workers too many")
    here.engine.until(60, "delivered")
    received = here.rig.received()
    assert (received["dots_lost"], received["duplicates"]) == (0, 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{here.rig.metrics_port}/readyz", timeout=5) as ready:
        assert ready.status == 200
    assert "starting it again" not in here.said()


def test_settings_of_ingest_and_keeper_take_effect(running: Callable[..., Running]) -> None:
    here = running(signed=False)
    here.change(more='[queue]\nsubmit_limit = 4321\n[tenants]\nopen = false\n[log]\nmail_format = "json"\n')
    here.used()
    redis = [
        "redis-cli",
        "-s",
        str(here.rig.state / "redis/redis.sock"),
        "HGET",
        "mta:status",
        "submit_limit",
    ]
    until(
        lambda: subprocess.run(redis, capture_output=True, text=True, check=True).stdout.strip() == "4321",
        "the keeper does not tell the new limit",
    )
    document = {
        "id": "a",
        "from": "a@t9.example",
        "to": ["jo@d1.example.test"],
        "subject": "One",
        "text": "x",
    }
    here.engine.xadd("transactional", "message", "t9", "k1", document)
    assert here.engine.until(1, "rejected")[0]["code"] == "unknown_tenant"
    here.change(("open = false", "open = true"))
    here.used(2)
    here.engine.xadd("transactional", "message", "t9", "k2", document)
    here.engine.until(1, "delivered")
    mail_log = here.rig.state / "log/mail.log"
    line = until(lambda: mail_log.exists() and mail_log.read_text(), "no line in the mail log").splitlines()[
        -1
    ]
    assert json.loads(line)["event"] == "delivered"


def test_listeners_show_another_certificate_and_keep_their_sessions(
    running: Callable[..., Running], tmp_path: Path
) -> None:
    path = tmp_path / "ours.pem"
    certificate(path, "old.example")
    named = {"certificate": str(path)}
    here = running(signed=False, settings={"web": named, "inbound": named})
    page = http.client.HTTPSConnection("127.0.0.1", here.rig.web_port, context=trusting(), timeout=10)
    page.request("GET", "/healthz")
    assert page.getresponse().read() == b"ok\n"
    report = smtplib.SMTP("127.0.0.1", here.rig.inbound_port, timeout=10)
    report.starttls(context=trusting())
    old = shown(report.sock)  # type: ignore[arg-type]
    certificate(path, "new.example")
    here.change(more="")
    here.used()

    def by_web() -> bytes:
        wire = socket.create_connection(("127.0.0.1", here.rig.web_port), 10)
        with trusting().wrap_socket(wire) as secured:
            return shown(secured)

    def by_smtp() -> bytes:
        with smtplib.SMTP("127.0.0.1", here.rig.inbound_port, timeout=10) as again:
            again.starttls(context=trusting())
            return shown(again.sock)  # type: ignore[arg-type]

    until(lambda: by_web() != old and by_smtp() != old, "the old certificate is shown")
    page.request("GET", "/healthz")  # on the connection from before
    assert page.getresponse().read() == b"ok\n"
    assert report.noop()[0] == 250
    page.close()
    report.quit()
    fresh = by_web()
    path.write_bytes(path.read_bytes()[:200])
    here.change(more="")
    until(lambda: here.metric("mta_reload_refused") == 1, "the half of a certificate is used")
    assert (by_web(), by_smtp()) == (fresh, fresh)
    assert "`inbound.certificate`" in here.said()


def test_a_bad_file_is_told_by_log_metric_and_status_until_it_is_good(
    running: Callable[..., Running],
) -> None:
    here = running(signed=False, sink=("--dot-delay-ms", "300"))
    good = here.path.read_text()
    here.engine.campaign([[f"u{n}@d1.example.test"] for n in range(30)], ["email"])
    here.engine.until(1, "delivered")
    for bad, named in (
        ("[nonsense]\nx = 1\n", "nonsense"),
        ("[limits", "is not TOML"),
        ('[audit]\nkeep = "1s"\n', "audit.keep"),
        ('[sources.a]\naddress = "127.0.0.1"\n[pools.default]\nsources = { b = 1 }\n', "pools.default"),
        ('[[routes]]\nhost = "relay.example"\nrate = 1\n', "routes"),
    ):  # fmt: skip
        before = here.metric('mta_reloads_total{result="refused"}')
        here.path.write_text(good + bad)
        here.rig.engine.send_signal(signal.SIGHUP)
        until(
            lambda before=before: here.metric('mta_reloads_total{result="refused"}') > before, "not refused"
        )
        refused = [line for line in here.said().splitlines() if "the new configuration is not used" in line]
        assert re.search(named, refused[-1]), refused[-1]
    assert here.metric("mta_reload_refused") == 1
    until(
        lambda: any("the configuration read last is not used" in one for one in here.faults()),
        "status is silent",
    )
    asked = here.status(here.path)
    assert (asked.returncode, "routes" in asked.stderr) == (78, True)
    killed = here.roles()["mta-web1"]
    killed.kill()  # a role that starts meanwhile knows of it, too
    killed.wait(10)
    here.engine.until(30, "delivered")
    received = here.rig.received()
    assert (received["dots_lost"], received["duplicates"]) == (0, 0)
    here.path.write_text(good)
    here.rig.engine.send_signal(signal.SIGHUP)
    until(lambda: here.metric("mta_reload_refused") == 0, "still refused")
    until(lambda: not any("read last" in one for one in here.faults()), "status does not heal")


def test_what_stays_is_told_and_held_by_roles_that_start_again(running: Callable[..., Running]) -> None:
    here = running(signed=False)
    here.change((f"127.0.0.1:{here.rig.web_port}", "127.0.0.1:1"), more='[queue]\nprefix = "other:"\n')
    here.used()
    assert "in force from the next start on: queue.prefix, web.listen" in here.said()
    for name in ("mta-web1", "mta-ingest1"):
        before = here.roles()[name]
        before.kill()
        before.wait(10)
        until(lambda name=name: name in here.roles(), f"{name} is away")
    here.engine.campaign([["jo@d1.example.test"]], ["email"])
    here.engine.until(1, "delivered")
    with urllib.request.urlopen(f"http://127.0.0.1:{here.rig.web_port}/healthz", timeout=5) as page:
        assert page.status == 200


def test_a_key_that_is_half_written_leaves_the_one_before_at_work(running: Callable[..., Running]) -> None:
    here = running(tenants=1, capture=True)
    (key,) = (here.rig.state / "dkim").glob("*/*.pem")
    here.engine.campaign([["jo@d1.example.test"]], ["email"])
    here.engine.captured(1)
    whole = key.read_bytes()
    key.write_bytes(whole[:300])
    here.change(more="")
    here.used()
    here.engine.campaign([["jim@d1.example.test"]], ["email"], id="summer")
    assert all(b"DKIM-Signature:" in one for one in here.engine.captured(2))
    until(lambda: any(key.name in one for one in here.faults()), "status does not name the key")
    key.write_bytes(whole)  # it heals without another reload

    def sends_and_heals() -> bool:
        here.engine.campaign([["jack@d1.example.test"]], ["email"], id=f"autumn{time.monotonic_ns()}")
        return not any(key.name in one for one in here.faults())

    until(sends_and_heals, "status does not heal")


def test_a_single_role_reads_the_configuration_again(running: Callable[..., Running]) -> None:
    here = running(signed=False)
    guest = subprocess.Popen(
        [sys.executable, "-m", "mta", "run", "-c", str(here.path), "--role", "worker", "--name", "guest"],
        stderr=subprocess.PIPE, text=True, cwd=here.rig.root,
    )  # fmt: skip
    try:
        until(lambda: '"guest"' in here.status(here.good, "--json").stdout, "the guest did not come up")
        good = here.path.read_text()
        here.path.write_text(good + "[nonsense]\nx = 1\n")
        guest.send_signal(signal.SIGHUP)
        until(lambda: any("nonsense" in one for one in here.faults()), "status does not tell it")
        here.path.write_text(good + "[queue]\nin_flight_most = 7\nshards = 3\n")
        guest.send_signal(signal.SIGHUP)
        until(lambda: not any("nonsense" in one for one in here.faults()), "status does not heal")
        here.engine.campaign([[f"u{n}@d1.example.test"] for n in range(20)], ["email"])
        here.engine.until(20, "delivered")
    finally:
        guest.send_signal(signal.SIGTERM)
        _, said = guest.communicate(timeout=20)
    assert guest.returncode == 0, said
    assert "in force from the next start on: queue.shards" in said
