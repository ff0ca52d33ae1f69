"""Who is behind a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mta.web.readers import agent_of, client_ip, private, proxy_of


@pytest.mark.parametrize(
    "remote, forwarded, hops, ip",
    [
        ("192.0.2.1", [], 0, "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], 0, "192.0.2.1"),  # nobody in front is trusted
        ("192.0.2.1", ["198.51.100.7"], 1, "198.51.100.7"),
        ("192.0.2.1", ["6.6.6.6, 198.51.100.7"], 1, "198.51.100.7"),  # the first was made up by the client
        ("192.0.2.1", ["6.6.6.6", "198.51.100.7, 203.0.113.5"], 2, "198.51.100.7"),
        ("192.0.2.1", ["198.51.100.7"], 5, "198.51.100.7"),
        ("192.0.2.1", ["nonsense"], 1, "192.0.2.1"),
        ("192.0.2.1", ["unknown, "], 1, "192.0.2.1"),
        ("::ffff:192.0.2.9", [], 0, "192.0.2.9"),
        ("2001:db8::1", [], 0, "2001:db8::1"),
        ("fe80::1%eth0", [], 0, ""),
        ("", [], 0, ""),
    ],
)
def test_the_client_is_whom_the_last_trusted_proxy_saw(
    remote: str, forwarded: list[str], hops: int, ip: str
) -> None:
    assert client_ip(remote, forwarded, hops) == ip


@given(st.text(max_size=40), st.lists(st.text(max_size=80), max_size=4), st.integers(0, 16))
def test_no_header_breaks_it(remote: str, forwarded: list[str], hops: int) -> None:
    ip = client_ip(remote, forwarded, hops)
    for policy in ("keep", "truncate", "drop"):
        private(ip, policy)


def test_addresses_are_shortened_as_the_tenant_wishes() -> None:
    assert private("192.0.2.77", "truncate") == "192.0.2.0"
    assert private("2001:db8:1:2::3", "truncate") == "2001:db8:1::"
    assert private("192.0.2.77", "keep") == "192.0.2.77"
    assert private("192.0.2.77", "drop") == ""
    assert private("192.0.2.77", "a word nobody knows") == "192.0.2.0"


def test_proxies_and_scanners_are_known() -> None:
    assert (
        proxy_of("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)")
        == "google"
    )
    assert proxy_of("Mozilla/5.0") == "apple"
    assert proxy_of("YahooMailProxy; https://help.yahoo.com/") == "yahoo"
    assert proxy_of("Barracuda Sentinel (EE)") == "scanner"
    assert proxy_of("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15") == ""


def test_agents_are_cut_and_printable() -> None:
    assert agent_of("a\x00b\u2028") == "a?b?"
    assert len(agent_of("x" * 1000)) == 300
