"""Settings of TLS and of its reports: what they are made into, and what is refused by name."""

from datetime import timedelta
from pathlib import Path

import pytest

from mta.config.load import load
from mta.config.settings import Settings
from mta.daemon import assemble_tls
from mta.net.mtasts import StsPolicies
from mta.net.question import Answer
from mta.net.resolver import Resolver
from mta.policy.tls import Level
from tests.workers.sending import ROOT


@pytest.fixture
def resolver() -> Resolver:
    """A resolver that is asked nothing here."""

    async def ask(name: str, kind: str) -> Answer:
        raise AssertionError(f"asked for {name} {kind}")

    return Resolver(ask)


def settings(folder: Path, text: str = "") -> Settings:
    path = folder / "mta.toml"
    path.write_text(text)
    return load(path, {}).settings


def secured(folder: Path, resolver: Resolver, text: str) -> assemble_tls.Secured:
    sts = StsPolicies(resolver, None, None)  # type: ignore[arg-type]
    return assemble_tls.secured(settings(folder, text), resolver, sts)


def test_without_a_sender_nobody_reports(tmp_path: Path) -> None:
    assert assemble_tls.reporting(settings(tmp_path)) is None


def test_what_is_not_said_of_the_reporter_follows_from_its_address(tmp_path: Path) -> None:
    found = assemble_tls.reporting(settings(tmp_path, '[tls_reports]\nsender = "tls@us.test"'))
    assert found is not None
    assert (found.sender.organization, found.sender.domain, found.sender.contact) == (
        "us.test",
        "us.test",
        "tls@us.test",
    )
    assert found.address == "tls@us.test"


def test_what_is_said_of_the_reporter_is_kept(tmp_path: Path) -> None:
    text = '[tls_reports]\nsender = "t@us.test"\norganization = "Us"\ncontact = "https://us.test/"\ntenant = "ops"'
    found = assemble_tls.reporting(settings(tmp_path, text))
    assert found is not None
    assert (found.sender.organization, found.sender.contact, found.tenant) == (
        "Us",
        "https://us.test/",
        "ops",
    )


def test_senders_report_at_hours_of_their_own_within_four(tmp_path: Path) -> None:
    delays = set()
    for n in range(20):
        found = assemble_tls.reporting(settings(tmp_path, f'[tls_reports]\nsender = "t@us{n}.test"'))
        assert found is not None
        assert timedelta() <= found.delay < timedelta(hours=4)
        delays.add(found.delay)
    assert len(delays) == 20
    again = assemble_tls.reporting(settings(tmp_path, '[tls_reports]\nsender = "t@us0.test"'))
    assert again is not None
    assert again.delay in delays


def test_a_sender_that_is_no_address_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"tls_reports\.sender"):
        assemble_tls.reporting(settings(tmp_path, '[tls_reports]\nsender = "nobody"'))


def test_by_default_all_that_is_offered_is_used(tmp_path: Path, resolver: Resolver) -> None:
    made = secured(tmp_path, resolver, "")
    assert made.policies.default.level is Level.MAY
    assert made.policies.sts is not None
    assert made.policies.dane


def test_the_authorities_of_the_file_check_web_servers_too(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.pem)
    context = assemble_tls.web_context(settings(tmp_path, f'[net]\ntls_authorities = "{path}"'))
    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
