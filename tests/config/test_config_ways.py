"""Tables of any number: TLS by domain, routes, what is wrong with them, and the shipped file's examples of both."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from mta.config.load import ConfigError, load
from mta.config.tree import flat, of_row
from mta.config.ways import DomainTls, RouteSettings, routes, rules
from mta.policy.tls import Level, Rule

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "mta.toml"
RELAY = '[[routes]]\nhost = "relay.test"\n'


def written(folder: Path, text: str, name: str = "mta.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_tls_by_domain(tmp_path: Path) -> None:
    text = '[tls."*.partner.test"]\nlevel = "verify"\nnames = [".p.test"]\n[tls.bank.test]\nlevel = "dane"\n'
    settings = load(written(tmp_path, text), {}).settings
    table = rules(settings.tls)
    assert table.find("a.partner.test") == Rule(Level.VERIFY, (".p.test",))
    assert table.find("bank.test") == Rule(Level.DANE), "quotes left out mean the same"
    assert table.find("other.test") is None


def test_a_domain_and_one_above_it_have_tables_of_their_own(tmp_path: Path) -> None:
    text = '[tls.d.test]\nlevel = "verify"\n[tls.mail.d.test]\nlevel = "none"\n[tls."*"]\nlevel = "encrypt"\n'
    table = rules(load(written(tmp_path, text), {}).settings.tls)
    found = [table.find(domain) for domain in ("d.test", "mail.d.test", "test")]
    assert [rule.level for rule in found if rule] == [Level.VERIFY, Level.NONE, Level.ENCRYPT]


def test_routes_of_all_files_are_added_up(tmp_path: Path) -> None:
    file = written(tmp_path, f'{RELAY}domains = ["a.test", "*.b.test"]\nuser = "me"\npassword_file = "/x"\n')
    written(tmp_path, '[[routes]]\nhost = "[192.0.2.1]"\ntls = "may"\nport = 25\n', "conf.d/10.toml")
    loaded = load(file, {})
    table = routes(loaded.settings.routes)
    near, far = table.find("x.b.test"), table.find("c.test")
    assert near is not None
    assert far is not None
    assert (near.host, near.port, near.level, near.user) == ("relay.test", 587, Level.VERIFY, "me")
    assert (far.host, far.port, far.level) == ("[192.0.2.1]", 25, Level.MAY)
    assert loaded.origins["routes.1.user"] == f"{file}:4"
    assert loaded.origins["routes.2.port"] == f"{tmp_path}/conf.d/10.toml:4"


def test_a_later_file_changes_a_domains_rule_by_key(tmp_path: Path) -> None:
    file = written(tmp_path, '[tls."a.test"]\nlevel = "may"\n')
    written(tmp_path, '[tls."a.test"]\nlevel = "verify"\n', "conf.d/10.toml")
    loaded = load(file, {})
    assert loaded.settings.tls == (("a.test", DomainTls("verify")),)
    assert loaded.origins == {'tls."a.test".level': f"{tmp_path}/conf.d/10.toml:2"}


def test_what_is_in_force_is_told(tmp_path: Path) -> None:
    told = flat(load(written(tmp_path, f'{RELAY}[tls."*"]\nlevel = "encrypt"\n'), {}).settings)
    assert told['tls."*".level'] == "encrypt"
    assert (told["routes.1.host"], told["routes.1.tls"]) == ("relay.test", "verify")


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("tls = 1\n", '`tls` is a table by domain; write [tls."example.com"]'),
        ('[tls]\nlevel = "may"\n', 'mta.toml:2: `tls.level` belongs to a domain; write [tls."example.com"]'),
        (
            '[tls."a.test"]\nlevle = "may"\n',
            "mta.toml:2: `tls.a.test.levle` is no setting; one of level, names",
        ),
        (
            '[net]\n[tls."*.a.test"]\n\nlevel = "most"\n',
            'mta.toml:4: `tls.*.a.test.level` takes one of "none"',
        ),
        ('[tls."a b"]\nlevel = "may"\n', "`tls`: 'a b' is neither a domain"),
        ('[tls."A.test"]\nlevel = "may"\n[tls."a.test"]\nlevel = "may"\n', "`tls`: 'a.test' is there twice"),
        ('[tls."a.test"]\nnames = ["b.test"]\n', '`tls."a.test".names` is for level = "verify"'),
        ("[routes]\nhost = 'x'\n", "`routes` is a list of tables; write [[routes]]"),
        ("[[routes]]\nport = 25\n", "`routes`: number 1, host: is missing"),
        (f"{RELAY}prot = 25\n", "mta.toml:3: `routes.1.prot` is no setting; one of host, port"),
        (f"{RELAY}{RELAY}port = 0\n", "mta.toml:5: `routes.2.port` takes a whole number, from 1 to 65535"),
        (f'{RELAY}user = "me"\n', "number 1, password_file: is missing"),
        (f'{RELAY}tls = "may"\nuser = "me"\npassword_file = "/x"\n', "a password goes over TLS only"),
        (
            f'{RELAY}tls = "none"\nimplicit = true\n',
            "number 1, tls: a connection that begins with TLS has it",
        ),
        (RELAY * 2, "`routes`: domains: '*' is there twice"),
        ('[rotues]\nhost = "x"\n', "unknown table `rotues`; did you mean `routes`?"),
    ],
)
def test_a_fault_names_place_setting_and_cure(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    assert wanted in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_the_shipped_files_examples_are_true_and_explained_in_the_words_of_the_types(tmp_path: Path) -> None:
    lines = [line[6:] for line in SHIPPED.read_text().splitlines() if line.startswith("#     ")]
    document = tomllib.loads("\n".join(lines))
    for kind, shown in (
        (DomainTls, document["tls"]["partner.example"]),
        (RouteSettings, document["routes"][0]),
    ):
        assert list(shown) == list(of_row(kind))
        for key, setting in of_row(kind).items():
            above = [before for before, line in pairwise(lines) if line.startswith(f"{key} = ")]
            assert f"# {setting.doc}" in above
    settings = load(written(tmp_path, "\n".join(lines)), {}).settings
    assert (len(settings.tls), len(settings.routes)) == (1, 1)
