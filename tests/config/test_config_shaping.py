"""The shaping file on disk, and the one that is shipped."""

import re
from pathlib import Path

import pytest

from mta.config.load import ConfigError
from mta.config.settings import Settings
from mta.config.shaping import load_shaping
from mta.daemon import assemble
from mta.throttle.limits import Limits
from mta.throttle.reactions import KEYS as RULE_KEYS
from mta.throttle.shapefile import KEYS, LIMITS
from mta.throttle.shaping import Shaping

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "shaping.toml"

# The form that these providers' MX hosts have.
MAIL_HOSTS = {
    "gmail.com": ("gmail-smtp-in.l.google.com", "google"),
    "shop.example": ("aspmx.l.google.com", "google"),
    "yahoo.com": ("mta5.am0.yahoodns.net", "yahoo"),
    "hotmail.com": ("hotmail-com.olc.protection.outlook.com", "outlook"),
    "firm.example": ("firm-example.mail.protection.outlook.com", "microsoft365"),
    "new.example": ("new-example.o-v1.mx.microsoft", "microsoft365"),
    "icloud.com": ("mx01.mail.icloud.com", "icloud"),
    "gmx.de": ("mx00.gmx.net", "gmx"),
    "web.de": ("mx-ha02.web.de", "gmx"),
    "orange.fr": ("smtp-in.orange.fr", "orange"),
    "qq.com": ("mx3.qq.com", "qq"),
    "163.com": ("163mx01.mxmail.netease.com", "netease"),
    "yahoo.co.jp": ("mx5.mail.yahoo.co.jp", "yahoo.co.jp"),
    "example.net": ("mx.example.net", "example.net"),
}


@pytest.mark.parametrize("domain", MAIL_HOSTS)
def test_the_shipped_file_knows_the_big_providers(domain: str) -> None:
    host, site = MAIL_HOSTS[domain]
    assert load_shaping(SHIPPED).site(domain, [host]) == site


def test_the_shipped_file_leaves_the_default_to_the_settings_and_gives_no_provider_a_faster_rate() -> None:
    base = assemble.shaping(Settings()).default
    shaping = load_shaping(SHIPPED, base)
    assert shaping.default == base == Limits(100.0, 100, 10, 100, 100)
    assert len(shaping.providers) >= 10
    for site in shaping.providers:
        assert site in shaping.own, f"{site} differs in nothing from [default]"
        assert shaping.limits(site).rate <= shaping.default.rate


def test_the_shipped_file_explains_every_key_where_it_first_stands() -> None:
    explained: set[str] = set()
    above = ""
    for line in SHIPPED.read_text().splitlines():
        found = re.match(r"(?:# )?(\w+) = ", line)
        if found and found[1] not in explained:
            assert re.match(r"# \S", above), f"{found[1]} has no comment above"
            explained.add(found[1])
        above = line
    in_passing = {"slow", "for"}  # beside `suspend`
    assert explained == set(KEYS["provider"]) - {"reactions"} | set(RULE_KEYS) - in_passing
    assert set(LIMITS) < explained


def test_no_file_is_no_provider() -> None:
    assert load_shaping(None) == Shaping()
    assert load_shaping(None, Limits(connections=2)).limits("example.net").connections == 2


def test_a_file_over_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[domain."example.net"]\nconnections = 2\n')
    shaping = load_shaping(path, Limits(messages=5))
    assert shaping.limits("example.net") == Limits(connections=2, messages=5)


def test_a_mistake_names_path_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("[default]\nconnections = 0\n")
    with pytest.raises(ConfigError) as caught:
        load_shaping(path)
    assert str(caught.value).startswith(f"{path}:2: `default.connections`: is 0; write a whole number")


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load_shaping(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load_shaping(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[default]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.toml:2: is not UTF-8"):
        load_shaping(path)
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match="has over"):
        load_shaping(path)
