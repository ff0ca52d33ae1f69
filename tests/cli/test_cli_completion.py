"""Shell completion: what the shell asks is answered, and a real bash completes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mta.cli.completion import SHELLS
from mta.cli.main import main


def asked(shell: str, words: str, number: int) -> list[str]:
    """Ask as the shell's script does."""
    environ = os.environ | {
        "_MTA_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(number),
    }
    code = "import sys; sys.argv[0] = 'mta'; from mta.cli.main import main; main(prog_name='mta')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout.split("\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed_that_asks_mta(shell: str) -> None:
    script = CliRunner().invoke(main, ["completion", shell])
    assert script.exit_code == 0
    assert f"_MTA_COMPLETE={shell}_complete" in script.stdout


def test_another_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == 64


def test_commands_options_and_values_are_completed() -> None:
    assert "plain,status" in asked("bash", "mta sta", 1)
    assert "plain,list" in asked("bash", "mta queue l", 2)
    assert "plain,transactional" in asked("bash", "mta queue show --class tr", 4)
    assert "--once" in "".join(asked("zsh", "mta top --o", 2))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_real_bash_completes(tmp_path: Path) -> None:
    program = tmp_path / "mta"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mta "$@"\n')
    program.chmod(0o755)
    script = """
      eval "$(mta completion bash)"
      COMP_WORDS=(mta camp) COMP_CWORD=1 COMP_LINE='mta camp'
      _mta_completion mta
      printf '%s\\n' "${COMPREPLY[@]}"
    """
    root = Path(__file__).resolve().parents[2]
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(root)}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("campaign\n", "")
