"""`mta probe` without an engine: what it prints, the same as JSON, and an exit code that says whether mail would go."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mta.cli.main import main
from mta.demo.nameserver import Nameserver
from mta.demo.zone import Fault, Zone


class Net:
    """A name server and a mail host without TLS, in a thread."""

    def __init__(self) -> None:
        self.zone = Zone(ttl=30)
        self.zone.add("d.test", {"MX": ("10 mx.d.test.",)})
        self.zone.add("mx.d.test", {"A": ("127.0.0.1",)})
        self.zone.add("null.test", {"MX": ("0 .",)})
        self.zone.faults["broken.test"] = Fault("servfail")
        self.said: list[str] = []
        self._up, self._thread = threading.Event(), threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        names = Nameserver(self.zone)
        await names.start("127.0.0.1")
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.dns, self.smtp = names.port, server.sockets[0].getsockname()[1]
        self._up.set()
        await self._ends.wait()
        server.close()
        await names.stop()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.d.test \x1b[2J hello\r\n")
        while line := (await reader.readline()).decode().strip():
            self.said.append(line.partition(" ")[0])
            writer.write(
                b"250-mx.d.test\r\n250-SIZE 1000\r\n250 PIPELINING\r\n" if line[0] == "E" else b"221 bye\r\n"
            )
            if line == "QUIT":
                break
        writer.close()

    def __enter__(self) -> "Net":
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def net() -> Iterator[Net]:
    with Net() as net:
        yield net


@pytest.fixture
def probe(net: Net, tmp_path: Path) -> Callable[..., Result]:
    def run(*words: str, code: int, more: str = "") -> Result:
        path = tmp_path / "mta.toml"
        path.write_text(
            f'[net]\nresolver = ["127.0.0.1:{net.dns}"]\nsmtp_port = {net.smtp}\nallow_private = true\n'
            f'helo = "me.test"\nipv6 = false\n[paths]\nstate = "{tmp_path / "state"}"\n{more}'
        )
        result = CliRunner().invoke(main, ["probe", *words, "-c", str(path)])
        assert result.exit_code == code, result.output
        return result

    return run


def test_probe_shows_a_domain_and_its_host(probe: Callable[..., Result], net: Net) -> None:
    text = probe("someone@D.test", code=0).stdout
    for line in (
        "domain: d.test", "MX 10: mx.d.test  127.0.0.1", "site: d.test: rate 100/s, 10 connections, 100 messages each",
        "MTA-STS: no record", "mx.d.test [127.0.0.1]", "  EHLO: SIZE 1000 | PIPELINING", "  TLS: not offered",
        "  asked for: may by default", "  mail: would go, clear", "deliverable: yes",
    ):  # fmt: skip
        assert line in text.splitlines()
    assert "\x1b" not in text
    assert set(net.said) == {"EHLO", "QUIT"}


def test_probe_says_the_same_as_json(probe: Callable[..., Result]) -> None:
    found: dict[str, Any] = json.loads(probe("d.test", "--json", code=0).stdout)
    assert (found["deliverable"], found["site"], found["code"]) == (True, "d.test", 0)
    assert found["dns"]["exchangers"][0]["addresses"] == ["127.0.0.1"]
    (host,) = found["hosts"]
    assert (host["need"]["level"], host["seen"]["ehlo"], host["security"]) == (
        "may",
        ["SIZE 1000", "PIPELINING"],
        "clear",
    )


def test_probe_under_a_rule_that_the_host_does_not_keep(probe: Callable[..., Result]) -> None:
    text = probe("d.test", code=75, more='[tls."d.test"]\nlevel = "encrypt"\n').stdout
    assert "rule: encrypt" in text
    assert "deliverable: not now" in text


def test_probe_exit_codes_for_what_never_goes_and_what_waits(probe: Callable[..., Result]) -> None:
    assert "accepts no mail (null MX)" in probe("null.test", code=68).stdout
    assert "deliverable: never" in probe("gone.test", code=68).stdout
    assert probe("broken.test", code=75)
    assert "is no domain" in probe("a b", code=64).stderr
