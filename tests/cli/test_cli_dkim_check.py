"""`mta dkim check` against a real name server: what is published, what is not, and a server that is silent."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mta.cli.main import main
from mta.demo.zone import Fault, Zone
from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.record import dns_name, dns_record, txt_strings

Check = Callable[..., Result]


@pytest.fixture
def check(name_server: int, tmp_path: Path) -> Check:
    config = tmp_path / "mta.toml"
    config.write_text(
        f'[paths]\nstate = "{tmp_path}/state"\n[net]\nresolver = ["127.0.0.1:{name_server}"]\n'
        '[dns]\ntimeout = "0.3s"\nlifetime = "0.6s"\n'
    )

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["dkim", "check", *words, "-c", str(config)])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def keys(zone: Zone, tmp_path: Path) -> Path:
    """The folder of two keys of acme.example, both published."""
    folder = tmp_path / "state" / "dkim" / "acme.example"
    folder.mkdir(parents=True)
    for selector, kind in (("e1", "ed25519"), ("s1", "rsa")):
        pem = generate(kind)  # type: ignore[arg-type]
        (folder / f"{selector}.pem").write_bytes(pem)
        publish(
            zone,
            dns_name(load("acme.example", selector, pem)),
            dns_record(load("acme.example", selector, pem)),
        )
    return folder


def publish(zone: Zone, name: str, record: str) -> None:
    zone.add(name, {"TXT": (" ".join(f'"{part}"' for part in txt_strings(record)),)})


def test_published_keys_are_ok(check: Check, keys: Path) -> None:
    assert check("ACME.example").stdout.splitlines() == [
        "ok   e1._domainkey.acme.example (ed25519-sha256)",
        "ok   s1._domainkey.acme.example (rsa-sha256)",
    ]


def test_a_key_that_is_another_or_not_there_is_told(check: Check, keys: Path, zone: Zone) -> None:
    (keys / "e1.pem").write_bytes(generate("ed25519"))
    (keys / "s2.pem").write_bytes(generate("ed25519"))
    lines = check("acme.example", code=65).stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "bad  e1._domainkey.acme.example",
        "ok   s1._domainkey.acme.example (rsa-sha256)",
        "bad  s2._domainkey.acme.example",
    ]
    assert "holds another key" in lines[0]
    assert "is not there" in lines[2]


def test_json_has_a_line_per_key(check: Check, keys: Path, zone: Zone) -> None:
    publish(zone, "e1._domainkey.acme.example", "v=DKIM1; t=y; k=ed25519; p=")
    told = [json.loads(line) for line in check("acme.example", "--json", code=65).stdout.splitlines()]
    assert [(one["ok"], one["testing"]) for one in told] == [(False, True), (True, False)]
    assert told[0]["faults"] == ["has an empty p=: the key is revoked"]
    assert told[1]["published"][0].startswith("v=DKIM1; k=rsa; p=")


def test_a_record_for_testing_is_remarked(check: Check, keys: Path, zone: Zone) -> None:
    signer = load("acme.example", "e1", (keys / "e1.pem").read_bytes())
    publish(zone, dns_name(signer), dns_record(signer) + "; t=y")
    result = check("acme.example")
    assert "t=y" in result.stderr
    assert result.stdout.startswith("ok   e1.")


def test_a_silent_name_server_is_75(check: Check, keys: Path, zone: Zone) -> None:
    zone.faults["e1._domainkey.acme.example"] = Fault("servfail")
    assert "e1._domainkey.acme.example" in check("acme.example", code=75).stderr


@pytest.mark.parametrize("words, code", [(("other.example",), 66), (("../keys",), 64)])
def test_a_domain_without_keys_is_told(check: Check, words: tuple[str, ...], code: int) -> None:
    check(*words, code=code)
