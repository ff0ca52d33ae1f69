"""The units under a real systemd, which is the init of a container made of this machine's files.

Type=notify, status text, reload, drain, watchdog, socket activation, credentials, the sandbox: as on a server.
"""

import sysconfig
from collections.abc import Iterator

import pytest
from machine import PYTHON, Machine, booted, why_not

from mta.queue.embedded import find_binary

PREPARE = r"""
set -e
PYTHONHOME=/opt/python PYTHONPATH=/opt/source:/opt/site /opt/python/bin/python3 -B -c \
  'from mta.cli.install import install; install()' --prefix /run/staged --program /opt/mta/bin/mta
cp -a /run/staged/etc/. /etc/
systemd-sysusers mta.conf
systemd-tmpfiles --create mta.conf
mkdir -p /etc/credstore /etc/mta/dkim/t0.example /etc/systemd/system/mta.service.d /etc/systemd/system/service.d
printf '[Service]\nStandardOutput=append:/run/%%N.log\nStandardError=append:/run/%%N.log\n' \
  > /etc/systemd/system/service.d/log.conf
printf '%064d\n' 7 > /etc/credstore/mta.tracking
echo key > /etc/mta/dkim/t0.example/s1.pem
chmod 0600 /etc/credstore/mta.tracking /etc/mta/dkim/t0.example/s1.pem
cat > /etc/systemd/system/test.target <<X
[Unit]
Description=nothing but what a test starts
X
cat > /etc/systemd/system/mta.service.d/test.conf <<X
[Service]
WatchdogSec=4
TimeoutAbortSec=1
X
cat > /etc/systemd/system/redis-server.service <<'X'
[Service]
User=mta
RuntimeDirectory=test-redis
ExecStart=$SERVER --port 0 --unixsocket /run/test-redis/sock --dir /run/test-redis --appendonly yes \
  --appendfsync always
X
printf '[workers]\ncount = 1\n' > /etc/mta/conf.d/test.toml
"""


GREETING = "import socket; print(socket.create_connection(('127.0.0.1', 25), timeout=20).recv(100).decode())"
REASON = why_not()
pytestmark = [pytest.mark.system, pytest.mark.timeout(180), pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    server = find_binary().replace(sysconfig.get_path("purelib"), "/opt/site")
    with booted(tmp_path_factory.mktemp("machine"), PREPARE.replace("$SERVER", server)) as made:
        yield made


def test_the_whole_engine_as_one_service(machine: Machine) -> None:
    machine.run("systemctl", "start", "mta.service")  # returns when the engine has said READY=1
    assert machine.show("mta.service", "ActiveState") == "active"
    machine.until(lambda: "delivered/s" in machine.show("mta.service", "StatusText"))
    first = machine.show("mta.service", "WatchdogTimestampMonotonic")
    machine.until(lambda: machine.show("mta.service", "WatchdogTimestampMonotonic") != first)
    assert "mta_processes" in machine.fetch("http://127.0.0.1:9025/metrics")
    machine.run("systemctl", "reload", "mta.service")
    machine.until(lambda: machine.show("mta.service", "ActiveState") == "active")
    machine.run("systemctl", "stop", "mta.service")
    assert machine.show("mta.service", "Result") == "success"
    # What it made is its own and nobody else's.
    assert (
        machine.run("stat", "-c", "%U %a", "/var/lib/mta", "/var/lib/mta/redis").split() == ["mta", "700"] * 2
    )


def test_a_hung_engine_is_started_again(machine: Machine) -> None:
    machine.run("systemctl", "start", "mta.service")
    machine.until(lambda: machine.show("mta.service", "WatchdogTimestampMonotonic") != "0")
    machine.run("kill", "-STOP", machine.show("mta.service", "MainPID"))
    machine.until(lambda: machine.show("mta.service", "NRestarts") == "1")
    machine.until(lambda: machine.show("mta.service", "ActiveState") == "active")
    machine.run("systemctl", "stop", "mta.service")


def test_a_unit_per_role(machine: Machine) -> None:
    enabled = ["mta-worker@01", "mta-worker@02", "mta-courier", "mta-inbound", "mta-web"]
    roles = ["mta-keeper", "mta-ingest", "mta-express", *enabled]
    own = '[redis]\nurl = "unix:///run/test-redis/sock"\n'
    machine.run("sh", "-c", f"printf '%s' '{own}' > /etc/mta/conf.d/redis.toml")
    machine.run("systemctl", "start", "redis-server.service")
    machine.run("systemctl", "start", "mta.target", *enabled)
    for role in roles:
        machine.until(lambda role=role: machine.show(role, "ActiveState") == "active")  # type: ignore[misc]
    # Sockets are systemd's, capabilities nobody's.
    assert machine.run(*PYTHON, GREETING).startswith("220 ")
    pid = machine.show("mta-inbound.service", "MainPID")
    assert "CapEff:\t0000000000000000" in machine.run("cat", f"/proc/{pid}/status")
    assert machine.fetch("http://127.0.0.1:8025/healthz").strip() == "ok"
    for port in (25001, 25002, 25100, 25101, 25102, 25103, 25104, 25105):
        assert "mta_processes{role=" in machine.fetch(f"http://127.0.0.1:{port}/metrics")
    # Credentials: root's files, readable to the service as its own copies.
    linked = machine.run("readlink", "/run/mta-worker@01/dkim/t0.example/s1.pem").strip()
    assert linked == "/run/credentials/mta-worker@01.service/mta.dkim_t0.example_s1.pem"
    assert not machine.run("sh", "-c", "ls /var/lib/mta/keys 2>/dev/null || true").strip()
    # A connection made while the service is away waits for it.
    machine.run("systemctl", "stop", "mta-web.service")
    assert machine.fetch("http://127.0.0.1:8025/healthz").strip() == "ok"
    machine.run("systemctl", "reload", "mta-worker@01")
    machine.until(lambda: machine.show("mta-worker@01", "ActiveState") == "active")
    machine.run("systemctl", "stop", "mta.target")
    for role in roles:
        machine.until(lambda role=role: machine.show(role, "ActiveState") == "inactive")  # type: ignore[misc]
        assert machine.show(role, "Result") == "success"
