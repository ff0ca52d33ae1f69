"""Peers of the comparison start, take mail, sign it so that it verifies, and end; what can't be had says why."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench import packages, peers
from bench.packages import Unavailable
from mta.dkim.generate import generate

MESSAGES = 40


@pytest.mark.system
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_does_its_work(name: str) -> None:
    try:
        found = peers.once(name, MESSAGES, generate("rsa"))
    except Unavailable as error:
        pytest.skip(str(error))
    assert found["verified"] == 2
    assert found["accepted"] == found["received"] == found["messages"] == MESSAGES + peers.SOURCE_SESSIONS
    assert found["cpu_us_per_message"] > 0
    assert found["memory_mb"] > 1


def test_a_peer_that_can_not_be_had_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str, messages: int, pem: bytes) -> dict[str, Any]:
        raise Unavailable(f"no {name} here")

    def us(messages: int, suppressions: int) -> dict[str, Any]:
        return {
            "messages": messages,
            "rate": 1000.0,
            "cpu_us_per_message": 500.0,
            "memory_mb": 1.0,
            "faults": [],
        }

    monkeypatch.setattr(peers, "once", nothing)
    monkeypatch.setattr(peers, "ours", us)
    result = CliRunner().invoke(peers.main, ["--quick", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["skipped"] == {name: f"no {name} here" for name in peers.PEERS}
    assert list(document["systems"]) == ["mta"]
    assert document["times"] == {}


def test_what_fails_to_come_is_a_reason_and_nothing_half_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for fetch in (lambda: packages.debian("no-such-package"), lambda: packages.npm("x", "no-such-package")):
        with pytest.raises(Unavailable):
            fetch()
    assert not list(tmp_path.rglob("done"))


def test_what_was_fetched_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "mta/peers/a-b"
    (folder / "root").mkdir(parents=True)
    (folder / "done").touch()
    assert packages.debian("a", "b") == folder / "root"
