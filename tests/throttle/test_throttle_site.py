"""Which site a domain belongs to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.shapefile import parse
from mta.throttle.shaping import Shaping
from mta.throttle.site import MOST, named

SHAPING = parse(
    """
    [provider.google]
    mx = ["*.google.com", "*.GoogleMail.com."]
    domains = ["gmail.com"]
    connections = 5
    [provider.special]
    mx = ["*.alt.google.com", "mx.one.example"]
    [domain."example.net"]
    connections = 2
    [domain."byhand.example"]
    provider = "google"
    [domain."b\u00fccher.example"]
    rate = "1/s"
    """
)

CASES = {
    ("gmail.com", ()): "google",
    ("GMAIL.com.", ("mx.elsewhere.example",)): "google",
    ("shop.example", ("aspmx.l.google.com", "mx.shop.example")): "google",
    ("shop.example", ("ASPMX.L.Google.COM.",)): "google",
    ("shop.example", ("x.googlemail.com",)): "google",
    ("shop.example", ("a.alt.google.com",)): "special",
    ("shop.example", ("mx.one.example",)): "special",
    ("shop.example", ("a.mx.one.example",)): "a.mx.one.example",
    ("shop.example", ("google.com",)): "google.com",
    ("shop.example", ("notgoogle.com",)): "notgoogle.com",
    ("shop.example", ("mx.google.com.evil.example",)): "mx.google.com.evil.example",
    ("byhand.example", ("mx.elsewhere.example",)): "google",
    ("example.net", ("aspmx.l.google.com",)): "example.net",
    ("example.org", ("mx1.example.org", "aspmx.l.google.com")): "example.org",
    ("example.org", ("example.org",)): "example.org",
    ("example.org", ("notexample.org",)): "notexample.org",
    ("example.org", ("MX.Host.Example.",)): "mx.host.example",
    ("other.example", ("mx.host.example",)): "mx.host.example",
    ("example.org", ()): "example.org",
    ("example.org", ("",)): "example.org",
    ("example.org", (".",)): "example.org",
    ("b\u00fccher.example", ("x.example",)): "xn--bcher-kva.example",
    ("B\u00dcCHER.example", ("x.example",)): "xn--bcher-kva.example",
    ("xn--bcher-kva.example", ("x.example",)): "xn--bcher-kva.example",
    ("google", ()): "domain:google",
    ("shop.example", ("google",)): "domain:google",
    ("shop.example", ("192.0.2.1",)): "192.0.2.1",
    ("shop.example", ("mx_1.host.example",)): "mx_1.host.example",
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sites(case: tuple[str, tuple[str, ...]]) -> None:
    assert SHAPING.site(*case) == CASES[case]


def test_without_a_file_only_mail_hosts_are_shared() -> None:
    shaping = Shaping()
    assert shaping.site("gmail.com", ["gmail-smtp-in.l.google.com"]) == "gmail-smtp-in.l.google.com"
    assert shaping.site("example.net", ["mx.example.net"]) == "example.net"


@given(st.text(max_size=300), st.lists(st.text(max_size=300), max_size=2))
@settings(max_examples=200, deadline=None)
def test_any_names_make_a_site_that_fits_into_keys(domain: str, exchangers: list[str]) -> None:
    site = SHAPING.site(domain, exchangers)
    assert 0 < len(site) <= MOST
    assert set(site) <= set("abcdefghijklmnopqrstuvwxyz0123456789._:-")


def test_a_name_has_its_bound_and_keeps_its_end() -> None:
    longest = "a" * (MOST - 12) + ".example.net"
    assert named(longest) == longest
    assert len(named("a" + longest)) == MOST
    assert ".example.net:" in named("a" + longest)


NAMES = st.lists(
    st.text(alphabet="ab|/:._-A ", max_size=6) | st.integers(0, 9).map(lambda n: f"{n}" + "a" * 200),
    min_size=2,
    max_size=8,
    unique=True,
)


@given(NAMES)
@settings(max_examples=150, deadline=None)
def test_names_that_differ_are_sites_that_differ(names: list[str]) -> None:
    sites = [named(name) for name in names]
    assert len(set(sites)) == len(names)
    assert {named(site) == site for site in sites if ":" not in site} <= {True}


LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)
PATTERNS = st.dictionaries(
    LABELS | LABELS.map(lambda text: "*." + text), st.sampled_from(["p", "q", "r"]), max_size=8
)


def slowly(patterns: dict[str, str], host: str) -> str | None:
    """The provider of a host, by trying every pattern."""
    fits = [
        (len(pattern), provider)
        for pattern, provider in patterns.items()
        if host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))
    ]
    if host in patterns:
        return patterns[host]
    return max(fits)[1] if fits else None


@given(PATTERNS, LABELS)
@settings(max_examples=200, deadline=None)
def test_the_narrowest_pattern_wins(patterns: dict[str, str], host: str) -> None:
    text = ""
    for name in sorted(set(patterns.values())):
        mine = [pattern for pattern, provider in patterns.items() if provider == name]
        text += f"[provider.{name}]\nmx = {mine}\n"
    found = parse(text).site("shop.example", [host])
    assert found == (slowly(patterns, host) or host)
