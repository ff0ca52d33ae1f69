"""The sink as its users run it: a process with flags, a ready line, a control port and a final document."""

import json
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import sink
from mta.demo.behaviour import Behaviour, BehaviourError
from mta.demo.capture import captured

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """A sink process: its ready line, and its final document once stopped."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        assert process.stdout
        self.ready = json.loads(process.stdout.readline())
        self.port: int = self.ready["port"]

    def counts(self) -> dict[str, object]:
        where = ("127.0.0.1", self.ready["control_port"])
        with socket.create_connection(where, timeout=5) as client, client.makefile("rb") as lines:
            return dict(json.loads(lines.read()))

    def stop(self) -> dict[str, object]:
        self.process.terminate()
        assert self.process.stdout
        final = dict(json.loads(self.process.stdout.read()))
        assert self.process.wait() == 0
        return final


@contextmanager
def running(*flags: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "bench.sink", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def deliver(port: int, to: str, count: int = 1) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        for number in range(count):
            client.sendmail("n@s.test", [to], f"Message-ID: <{number}@s.test>\r\n\r\nhello\r\n")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_it_takes_mail_counts_it_and_says_so(loop: str, tmp_path: Path) -> None:
    flags = ("--loop", loop, "--json", "--capture", str(tmp_path / "c"), "--arrivals", str(tmp_path / "a"))
    with running(*flags) as one:
        assert one.ready["loop"] == loop
        deliver(one.port, "a@d.test", 3)
        now = one.counts()
        assert (now["messages"], now["by_domain"]) == (3, {"d.test": 3})
        final = one.stop()
    assert (final["bench"], final["messages"], final["distinct"], final["faults"]) == ("sink", 3, 3, {})
    assert [message.recipients for message in captured(tmp_path / "c")] == [("a@d.test",)] * 3
    assert len((tmp_path / "a").read_text().splitlines()) == 3


def test_domains_behave_as_their_file_says_over_the_flags(tmp_path: Path) -> None:
    path = tmp_path / "domains.json"
    path.write_text(json.dumps({"Open.test": {"perm_share": 0}}))
    with running("--perm-share", "1", "--domains", str(path)) as one:
        deliver(one.port, "a@open.test")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            deliver(one.port, "a@other.test")
        final = one.stop()
    assert (final["messages"], final["refused"]) == (1, {"permanent": 1})


def test_it_offers_tls_with_a_certificate_of_its_own() -> None:
    with (
        running("--tls", "--loop", "uvloop") as one,
        smtplib.SMTP("127.0.0.1", one.port, timeout=5) as client,
    ):
        client.starttls()
        client.sendmail("n@s.test", ["a@d.test"], "Subject: x\r\n\r\nhello\r\n")
        assert one.counts()["connections_tls"] == 1


def test_overrides_name_file_and_domain_when_they_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "domains.json"
    path.write_text(json.dumps({"d.test": {"perm_shares": 1}}))
    with pytest.raises(BehaviourError, match=r"domains\.json: d\.test: .*'perm_share'"):
        sink.behaviours(path, Behaviour())
    path.write_text("{")
    with pytest.raises(BehaviourError, match="not JSON"):
        sink.behaviours(path, Behaviour())


@pytest.mark.parametrize(
    "flags, says",
    [
        (["--temp-share", "2"], "temp_share"),
        (["--bounce-to", "nowhere"], "host:port"),
        (["--tls-cert", str(Path(__file__))], "--tls-key"),
    ],
)
def test_flags_that_cannot_be_are_refused(flags: list[str], says: str) -> None:
    result = CliRunner().invoke(sink.main, flags)
    assert result.exit_code != 0
    assert says in result.output
