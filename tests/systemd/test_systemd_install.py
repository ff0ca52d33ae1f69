"""`mta install` into a temporary root, and its opposite: afterwards everything is as it was before."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mta.cli.failure import Failure
from mta.cli.install import install

PROGRAM = "/opt/mta/bin/mta"


def tree(root: Path) -> dict[str, object]:
    """Return everything below a root: directories with their mode, files with theirs and text, links."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name, mode = str(path.relative_to(root)), stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = mode if path.is_dir() else (mode, path.read_text())
    return found


def run(*words: str, program: str = PROGRAM) -> Result:
    return CliRunner().invoke(install, [*words, "--program", program])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that has something in it already."""
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/other.service").write_text("[Unit]\n")
    return tmp_path


@pytest.mark.parametrize("vendor", [(), ("--vendor",)], ids=["administrator", "package"])
def test_what_is_put_is_taken_away(root: Path, vendor: tuple[str, ...]) -> None:
    before = tree(root)
    assert run("--prefix", str(root), *vendor, program="/srv/mta/bin/mta").exit_code == 0
    units = root / ("usr/lib/systemd/system" if vendor else "etc/systemd/system")
    text = (units / "mta-worker@.service").read_text()
    assert "ExecStart=/srv/mta/bin/mta run" in text
    assert PROGRAM not in text
    assert (root / "etc/mta/mta.toml").is_file()
    assert stat.S_IMODE((root / "etc/mta/dkim").stat().st_mode) == 0o700
    assert os.readlink(root / ("usr/bin/mta" if vendor else "usr/local/bin/mta")) == "/srv/mta/bin/mta"
    assert run("--prefix", str(root), "--remove").exit_code == 0
    assert tree(root) == before


def test_again_is_the_same(root: Path) -> None:
    before = tree(root)
    run("--prefix", str(root))
    once = tree(root)
    assert run("--prefix", str(root)).exit_code == 0
    assert tree(root) == once
    run("--prefix", str(root), "--remove")
    assert tree(root) == before


def test_what_an_administrator_changed_stays(root: Path) -> None:
    run("--prefix", str(root))
    config, key = root / "etc/mta/mta.toml", root / "etc/mta/dkim/key.pem"
    config.write_text("[redis]\n")
    key.write_text("secret")
    again = run("--prefix", str(root))
    assert f"kept {config}" in again.output
    assert config.read_text() == "[redis]\n"
    unit = root / "etc/systemd/system/mta-web.service"
    unit.write_text("[Unit]\n")
    gone = run("--prefix", str(root), "--remove")
    assert f"kept {unit}" in gone.output
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == {
        "etc/systemd/system/other.service",
        "etc/systemd/system/mta-web.service",
        "etc/mta/mta.toml",
        "etc/mta/dkim/key.pem",
    }


def test_a_config_that_was_there_is_not_ours(root: Path) -> None:
    (root / "etc/mta").mkdir()
    (root / "etc/mta/mta.toml").write_text("# mine\n")
    before = tree(root)
    assert run("--prefix", str(root)).exit_code == 0
    run("--prefix", str(root), "--remove")
    assert tree(root) == before


def test_a_foreign_unit_is_not_overwritten(root: Path) -> None:
    (root / "etc/systemd/system/mta.service").write_text("[Unit]\n# of a package\n")
    before = tree(root)
    result = run("--prefix", str(root))
    assert isinstance(result.exception, Failure)
    assert "move it away" in result.exception.line
    assert tree(root) == before


@pytest.mark.parametrize("program", ["/root/venv/bin/mta", "/home/jo/venv/bin/mta", "/tmp/venv/bin/mta"])
def test_a_program_the_sandbox_hides(root: Path, program: str) -> None:
    before = tree(root)
    result = run("--prefix", str(root), program=program)
    assert isinstance(result.exception, Failure)
    assert "would not see" in result.exception.line
    assert tree(root) == before


def test_what_was_done_as_json(root: Path) -> None:
    done = json.loads(run("--prefix", str(root), "--json").output)
    assert "etc/systemd/system/mta.service" in done["installed"]
    assert done["kept"] == []
    (root / "etc/mta/mta.toml").write_text("[redis]\n")
    gone = json.loads(run("--prefix", str(root), "--remove", "--json").output)
    assert gone["kept"] == ["etc/mta/mta.toml"]
    assert set(gone["removed"]) == set(done["installed"]) - {"etc/mta/mta.toml"}


def test_nothing_to_remove(root: Path) -> None:
    result = run("--prefix", str(root), "--remove")
    assert isinstance(result.exception, Failure)
    assert "nothing was installed" in result.exception.line


@pytest.mark.system
@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None or os.geteuid() != 0,
    reason="needs root and systemd-sysusers (Debian package systemd)",
)
def test_systemd_makes_the_user_and_the_directories(root: Path) -> None:
    run("--prefix", str(root))
    subprocess.run(["systemd-sysusers", f"--root={root}"], check=True, capture_output=True)
    subprocess.run(
        ["systemd-tmpfiles", f"--root={root}", "--create", "mta.conf"], check=True, capture_output=True
    )
    assert "\nmta:" in "\n" + (root / "etc/passwd").read_text()
    state = (root / "var/lib/mta").stat()
    assert stat.S_IMODE(state.st_mode) == 0o700
    assert str(state.st_uid) == (root / "etc/passwd").read_text().split("mta:")[1].split(":")[1]
