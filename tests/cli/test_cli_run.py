"""`mta run`, `mta demo` and `mta check-config`."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from mta.cli.main import main
from mta.config.tree import known


def test_check_config_says_ok_and_names_the_files(tmp_path: Path) -> None:
    path = tmp_path / "mta.toml"
    path.write_text("[queue]\nshards = 2\n")
    result = CliRunner().invoke(main, ["check-config", "-c", str(path)])
    assert (result.exit_code, result.stdout) == (0, f"ok: {path}\n")


def test_check_config_shows_every_value_and_its_origin_but_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mta.toml"
    path.write_text('[redis]\nurl = "redis://mta:hush@127.0.0.1:6379/3"\n')
    monkeypatch.setenv("MTA_QUEUE_LEASE", "45s")
    result = CliRunner().invoke(main, ["check-config", "-c", str(path), "--json"])
    shown = json.loads(result.stdout)["settings"]
    assert list(shown) == list(known())
    assert shown["redis.url"] == {"value": "redis://mta:***@127.0.0.1:6379/3", "from": f"{path}:2"}
    assert shown["queue.lease"] == {"value": 45.0, "from": "environment MTA_QUEUE_LEASE"}
    assert shown["queue.shards"]["from"] == "default"
    table = CliRunner().invoke(main, ["check-config", "-c", str(path), "--show"]).stdout
    assert "hush" not in result.stdout + table
    assert all(name in table for name in known())


def test_check_config_finds_files_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "mta.toml"
    path.write_text(f'[redis]\npassword_file = "{tmp_path}/missing"\n')
    result = CliRunner().invoke(main, ["check-config", "-c", str(path)])
    assert result.exit_code == 78
    assert f"{path}:2: `redis.password_file` {tmp_path}/missing can't be read" in result.stderr


@pytest.mark.parametrize(
    "words, role, name", [((), None, None), (("--role", "worker", "--name", "w7"), "worker", "w7")]
)
def test_run_hands_over_to_the_daemon(
    words: tuple[str, ...],
    role: str | None,
    name: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "mta.toml"
    path.write_text("[queue]\nshards = 3\n")
    called = []

    def daemon(*arguments: object) -> int:
        called.append(arguments)
        return 69

    module = ModuleType("mta.daemon.run")
    module.run = daemon  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mta.daemon.run", module)
    result = CliRunner().invoke(main, ["run", "-c", str(path), *words])
    assert result.exit_code == 69
    settings, *rest = called[0]
    assert settings.queue.shards == 3
    assert rest == [path, role, name]
