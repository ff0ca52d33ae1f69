"""The tree of commands: help, quick start, and failures as one line and an exit code."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mta.cli import run as run_module
from mta.cli.main import main

HEAVY = (
    "redis",
    "rich",
    "msgspec",
    "aiohttp",
    "cryptography",
    "dns",
    "aiosmtplib",
    "mta.config",
    "mta.queue",
    "mta.daemon",
)


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = dict(commands(main))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_help_tells_what_it_does_and_gives_one_example_that_parses(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    head, _, rest = result.stdout.partition("Example:\n")
    example = rest.splitlines()[0].strip()
    assert len(head.strip().splitlines()) >= 3, "usage and a sentence"
    assert example.startswith(f"mta {path[0]}")
    assert result.stdout.count("Example:") == 1


def test_the_commands_promised_are_there() -> None:
    promised = """run|demo|check-config|send|tenant list|tenant show|tenant set|campaign submit|campaign list|
    campaign show|campaign report|campaign suspend|campaign resume|campaign release|campaign purge|queue list|
    queue show|events tail|events replay|dkim gen|dkim dns"""
    assert {tuple(name.split()) for name in promised.split("|")} <= set(EVERY)


def test_what_prints_data_can_print_json() -> None:
    silent = {("run",), ("demo",), ("events", "replay"), ("completion",)}  # replay prints nothing but JSON
    for path, command in EVERY.items():
        if not isinstance(command, click.Group) and path not in silent:
            assert "--json" in {name for option in command.params for name in option.opts}, path


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, mta.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"


def test_python_m_mta() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mta", "--version"], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mta, version ")


@pytest.mark.parametrize(
    "words",
    [["queue", "lst"], ["queue", "list", "--nonsense"], ["campaign", "show", "acme"], ["dkim", "gen"]],
)
def test_wrong_usage_is_64(words: list[str]) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 64
    assert "Error:" in result.stderr


def one_line(words: list[str], code: int) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("mta: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mta.toml"
    path.write_text(text)
    return str(path)


def test_no_engine_with_an_embedded_server_is_69(tmp_path: Path) -> None:
    config = written(tmp_path, f'[paths]\nstate = "{tmp_path}/state"\n')
    line = one_line(["queue", "list", "-c", config], 69)
    assert f"no engine is running with the state directory {tmp_path}/state" in line


def test_a_server_that_is_not_there_is_69_and_its_password_stays_unsaid(tmp_path: Path) -> None:
    config = written(tmp_path, '[redis]\nurl = "redis://:hush@127.0.0.1:1/0"\n')
    line = one_line(["queue", "list", "-c", config], 69)
    assert "127.0.0.1:1" in line
    assert "hush" not in line


def test_a_url_of_another_kind_is_78(tmp_path: Path) -> None:
    config = written(tmp_path, '[redis]\nurl = "http://127.0.0.1"\n')
    assert "`redis.url`" in one_line(["queue", "list", "-c", config], 78)


def test_a_wrong_setting_is_78_and_named(tmp_path: Path) -> None:
    config = written(tmp_path, "[queue]\nshard = 1\n")
    line = one_line(["events", "tail", "-c", config], 78)
    assert f"{config}:2" in line
    assert "`queue.shards`" in line


def test_a_server_that_refuses_is_77(redis_url: str, tmp_path: Path) -> None:
    url = redis_url.replace("unix://", "unix://nobody:hush@")
    config = written(tmp_path, f'[redis]\nurl = "{url}"\n')
    line = one_line(["queue", "list", "-c", config], 77)
    assert "refuses" in line
    assert "hush" not in line


def test_a_bug_is_70_and_debug_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(config: Path | None) -> None:
        raise ZeroDivisionError("by a test")

    monkeypatch.setattr(run_module, "loaded", broken)
    assert "ZeroDivisionError: by a test" in one_line(["check-config"], 70)
    result = CliRunner().invoke(main, ["--debug", "check-config"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(config: Path | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "loaded", pressed)
    assert CliRunner().invoke(main, ["check-config"]).exit_code == 130


def test_a_reader_that_has_seen_enough_ends_it_without_a_word(tmp_path: Path) -> None:
    archive = tmp_path / "state" / "archive"
    archive.mkdir(parents=True)
    line = '{"event":"delivered","eid":"a","ts":"1767312000000","rcpt":"' + "x" * 200 + '@example.net"}\n'
    (archive / "events-2026-01-02.ndjson").write_text(line * 5000)
    config = written(tmp_path, f'[paths]\nstate = "{tmp_path}/state"\n')
    command = f"{sys.executable} -m mta events replay --from 2026-01-01 -c {config} | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
