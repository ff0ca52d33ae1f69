"""`mta acl` prints what docs/protocol.md shows, for the prefix in use."""

from pathlib import Path

from click.testing import CliRunner

from mta.cli.acl import acl, lines

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


def test_the_lines_are_those_of_the_protocol() -> None:
    shown = PROTOCOL.read_text().partition("```acl\n")[2].partition("```")[0].splitlines()
    assert lines("mta:") == shown


def test_the_prefix_of_the_configuration_counts(tmp_path: Path) -> None:
    config = tmp_path / "mta.toml"
    config.write_text('[queue]\nprefix = "mail:"\n')
    said = CliRunner().invoke(acl, ["-c", str(config)])
    assert said.exit_code == 0
    assert "~mail:submit:bulk" in said.output
    assert "mta:" not in said.output
