"""The ten-line producers of docs/producers/ do what they show: their entries pass, their events are read."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from mta.ingest.checked import Campaign, Recipients
from mta.ingest.entry import Submission, read
from mta.ingest.rows import rows
from mta.queue import embedded

PRODUCERS = Path(__file__).resolve().parents[2] / "docs" / "producers"
EVENTS = "mta:{0}:events"


@pytest.fixture(scope="module")
def tcp_url() -> Iterator[str]:
    """A private server on loopback TCP, because not every web tier speaks unix sockets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mta-") as folder:
        server = embedded.start(Path(folder), port=port, durability="no")
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.stop()


@pytest.fixture
def server(tcp_url: str) -> Iterator[redis.Redis]:
    """The server as an engine leaves it: nothing submitted, the group `web` there, events waiting."""
    with redis.Redis.from_url(tcp_url, socket_timeout=10) as client:
        client.flushall()
        client.xgroup_create(EVENTS, "web", id="0", mkstream=True)
        for event in (
            {"v": "1", "event": "delivered", "eid": "a", "ts": "1", "rcpt": "bob@example.org"},
            {"v": "1", "event": "rejected", "eid": "b", "ts": "1", "why": "no such column"},
            *(
                {"v": "1", "event": "finished", "eid": name, "ts": "1", "campaign": f"spring-{name}"}
                for name in ("py", "php", "js")
            ),
        ):
            client.xadd(EVENTS, event)
        yield client


def run(command: list[str], url: str, folder: Path) -> list[str]:
    """Run a producer until it has read its events; return what it printed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "REDIS_URL": url}, capture_output=True, text=True, timeout=40
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stderr == ""
    return [line.strip() for line in done.stdout.splitlines()]


def holds(client: redis.Redis, printed: list[str]) -> None:
    """Assert that both entries pass our checks as written, and that the events were read and acknowledged."""
    entries = [fields for _, fields in client.xrange("mta:submit:bulk")]  # type: ignore[union-attr]
    campaign, recipients = (read(fields, "bulk") for fields in entries)
    assert isinstance(campaign, Submission), campaign
    assert isinstance(campaign.document, Campaign)
    assert isinstance(recipients, Submission), recipients
    assert isinstance(recipients.document, Recipients)
    assert recipients.document.last
    assert recipients.document.campaign == campaign.document.id
    accepted, refused = rows(recipients.document, [])
    assert [(str(row.address), row.ref) for row in accepted] == [
        ("bob@example.org", "u-1"),
        ("eve@example.net", "u-2"),
    ]
    assert not refused
    assert [" ".join(line.split()) for line in printed] == [
        "delivered bob@example.org",
        "rejected no such column",
        *["finished"] * 3,
    ]
    assert client.xpending(EVENTS, "web")["pending"] == 0


def test_python(server: redis.Redis, tcp_url: str, tmp_path: Path) -> None:
    holds(server, run([sys.executable, str(PRODUCERS / "producer.py")], tcp_url, tmp_path))


@pytest.mark.system
def test_php(server: redis.Redis, tcp_url: str, tmp_path: Path) -> None:
    if not shutil.which("php"):
        pytest.skip("php is not installed (apt install php-cli php-redis)")
    modules = subprocess.run(["php", "-m"], capture_output=True, text=True, timeout=20).stdout.split()
    if "redis" not in modules:
        pytest.skip("php has no extension redis (apt install php-redis)")
    holds(server, run(["php", str(PRODUCERS / "producer.php")], tcp_url, tmp_path))


@pytest.mark.system
@pytest.mark.timeout(180)
def test_node(server: redis.Redis, tcp_url: str, tmp_path: Path) -> None:
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node or npm is not installed (apt install nodejs npm)")
    for name in ("producer.mjs", "package.json"):
        shutil.copy(PRODUCERS / name, tmp_path)
    command = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        installed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not fetch the package redis within 90 s")
    if installed.returncode:
        pytest.skip(f"npm could not install the package redis: {installed.stderr.strip()[-200:]}")
    holds(server, run(["node", "producer.mjs"], tcp_url, tmp_path))


@pytest.mark.parametrize("name", ["producer.php", "producer.mjs", "producer.py"])
def test_stays_short(name: str) -> None:
    assert len((PRODUCERS / name).read_text().splitlines()) <= 24


@pytest.fixture
def roles(server: redis.Redis) -> Iterator[redis.Redis]:
    """The server with the users that docs/protocol.md writes down."""
    text = (PRODUCERS.parent / "protocol.md").read_text()
    for line in text.partition("```acl\n")[2].partition("```")[0].splitlines():
        server.execute_command(*line.replace("PASSWORD", "secret").split())
    yield server
    server.execute_command("ACL", "DELUSER", "mta-web", "mta-control")


ALLOWED = {
    "mta-web": (
        "XADD mta:submit:bulk * v 1",
        "XLEN mta:submit:urgent",
        "SET mta:blob:abc bytes NX EX 604800",
        "HGETALL mta:status",
        "HGETALL mta:progress:acme:spring-26",
        "XREADGROUP GROUP web w COUNT 1 STREAMS mta:{0}:events >",
        "XACK mta:{0}:events web 1-1",
        "XAUTOCLAIM mta:{0}:events web w 0 0",
        "XGROUP CREATE mta:{0}:events mine 0",
        "PING",
    ),
    "mta-control": ("XADD mta:submit:control * v 1", "HGETALL mta:status"),
}
DENIED = {
    "mta-web": (
        "XADD mta:submit:control * v 1",
        "XADD mta:{0}:events * v 1",
        "XRANGE mta:submit:bulk - +",
        "XREADGROUP GROUP web w COUNT 1 STREAMS mta:submit:bulk >",
        "DEL mta:{0}:events",
        "GET mta:blob:abc",
        "SET mta:status x",
        "HSET mta:status accepting 1",
        "HGETALL mta:tenant:acme",
        "HGETALL mta:{0}:flight",
        "KEYS *",
        "FLUSHALL",
        "CONFIG GET *",
        "CLIENT LIST",
        "EVAL return1 0",
        "ACL LIST",
    ),
    "mta-control": ("XADD mta:submit:bulk * v 1", "XREADGROUP GROUP web w STREAMS mta:{0}:events >"),
}


@pytest.mark.parametrize("user", ALLOWED)
def test_access_lines_give_each_role_its_own_and_no_more(roles: redis.Redis, tcp_url: str, user: str) -> None:
    with redis.Redis.from_url(tcp_url, username=user, password="secret", socket_timeout=10) as client:
        for command in ALLOWED[user]:
            client.execute_command(*command.split())
        for command in DENIED[user]:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())
