"""`mta dkim`: keys that only the engine reads, records that a resolver would give back whole."""

import json
import os
import re
import stat
from pathlib import Path

import pytest

from mta.dkim.key import load
from mta.dkim.record import dns_record


def test_a_key_is_made_private_and_its_record_printed(mta, state: Path) -> None:
    result = mta("dkim", "gen", "Acme.Example", "--selector", "s2026")
    path = state / "dkim" / "acme.example" / "s2026.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "PRIVATE" not in result.output
    name, rest = result.stdout.split(None, 1)
    assert name == "s2026._domainkey.acme.example."
    strings = re.findall(r'"([^"]*)"', rest)
    assert all(len(one) <= 255 for one in strings)
    assert "".join(strings) == dns_record(load("acme.example", "s2026", path.read_bytes()))
    assert str(path) in result.stderr


def test_a_key_is_never_overwritten(mta, state: Path) -> None:
    mta("dkim", "gen", "acme.example", "--type", "ed25519")
    path = state / "dkim" / "acme.example" / "s1.pem"
    before = path.read_bytes()
    assert "is not overwritten" in mta("dkim", "gen", "acme.example", code=73).stderr
    assert path.read_bytes() == before


def test_all_records_of_a_domain_are_printed(mta) -> None:
    mta("dkim", "gen", "acme.example", "--selector", "ed", "--type", "ed25519")
    mta("dkim", "gen", "acme.example", "--selector", "rsa")
    mta("dkim", "gen", "other.example", "--type", "ed25519")
    found = [json.loads(line) for line in mta("dkim", "dns", "ACME.example", "--json").stdout.splitlines()]
    assert [(one["name"], one["algorithm"]) for one in found] == [
        ("ed._domainkey.acme.example", "ed25519-sha256"),
        ("rsa._domainkey.acme.example", "rsa-sha256"),
    ]
    assert found[1]["value"].startswith("v=DKIM1; k=rsa; p=")


@pytest.mark.parametrize(
    "words, code, says",
    [
        (("gen", "acme.example", "--bits", "1024"), 64, "2048 to 8192"),
        (("gen", "../../etc"), 64, "domain"),
        (("gen", "acme.example", "--selector", "../s1"), 64, "selector"),
        (("dns", "acme.example"), 66, "mta dkim gen acme.example"),
        (("dns", "../keys"), 64, "domain"),
    ],
)
def test_what_is_wrong_is_told(mta, state: Path, words: tuple[str, ...], code: int, says: str) -> None:
    assert says in mta("dkim", *words, code=code).stderr
    assert not (state / "dkim").exists()


def test_a_file_that_is_no_key_is_named(mta, state: Path) -> None:
    folder = state / "dkim" / "acme.example"
    folder.mkdir(parents=True)
    (folder / "s1.pem").write_text("nonsense")
    assert str(folder / "s1.pem") in mta("dkim", "dns", "acme.example", code=78).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_engine(mta, state: Path) -> None:
    state.mkdir()
    os.chown(state, 12345, 12346)
    mta("dkim", "gen", "acme.example", "--type", "ed25519")
    for path in (state / "dkim", state / "dkim" / "acme.example", state / "dkim" / "acme.example" / "s1.pem"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)
