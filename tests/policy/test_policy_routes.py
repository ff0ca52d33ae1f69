"""Routes by domain, the nearest pattern first, and what a route can't be."""

import pytest

from mta.policy.patterns import PatternError, Patterns
from mta.policy.routes import Route, RouteError, Routes
from mta.policy.tls import Level


def test_the_nearest_pattern_wins() -> None:
    table = Patterns([
        ("example.com", "exact"), ("*.example.com", "below"), ("*.b.example.com", "deeper"), ("*", "rest"),
        ("BÜCHER.test.", "idn"),
    ])  # fmt: skip
    found = {
        "example.com": "exact", "a.example.com": "below", "x.a.example.com": "below", "b.example.com": "below",
        "a.b.example.com": "deeper", "other.test": "rest", "com": "rest", "xexample.com": "rest",
        "xn--bcher-kva.test": "idn",
    }  # fmt: skip
    assert {domain: table.find(domain) for domain in found} == found
    assert Patterns([("*.example.com", 1)]).find("example.com") is None
    assert Patterns[int]().find("example.com") is None
    assert not Patterns[int]()


@pytest.mark.parametrize(
    "pattern", ["", "*.", "*a.test", "a.*.test", "**", "a b.test", "*.*.test", "1.2.3.4"]
)
def test_what_is_no_pattern_is_quoted(pattern: str) -> None:
    with pytest.raises(PatternError) as caught:
        Patterns([(pattern, 1)])
    assert repr(pattern) in str(caught.value)


@pytest.mark.parametrize("pair", [["*", "*"], ["a.test", "A.test."], ["*.a.test", "*.a.test"]])
def test_a_pattern_stands_once(pair: list[str]) -> None:
    with pytest.raises(PatternError, match="twice"):
        Patterns([(each, 1) for each in pair])


def test_a_domain_finds_its_route() -> None:
    partner = Route("relay.partner.test", domains=("partner.test", "*.partner.test"))
    rest = Route("[192.0.2.1]", 25, level=Level.MAY)
    routes = Routes([partner, rest])
    assert routes.find("mail.partner.test") is partner
    assert routes.find("other.test") is rest
    assert Routes([partner]).find("other.test") is None
    with pytest.raises(RouteError, match=r"domains: '\*' is there twice"):
        Routes([rest, rest])


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"host": ""}, "host"), ({"port": 0}, "port"), ({"port": 65536}, "port"),
        ({"level": Level.DANE}, "tls"), ({"user": "me"}, "password_file"),
        ({"user": "me", "password_file": "/p", "level": Level.MAY}, "tls"),
        ({"implicit": True, "level": Level.MAY}, "tls"),
    ],
)  # fmt: skip
def test_what_a_route_cannot_be(given: dict[str, object], member: str) -> None:
    with pytest.raises(RouteError) as caught:
        Route(**{"host": "relay.test", **given})  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{member}: ")


def test_what_a_route_needs_of_its_host() -> None:
    assert Route("relay.test").need.names == ("relay.test",)
    assert Route("relay.test", names=("mx.test",)).need.names == ("mx.test",)
    assert not Route("relay.test", level=Level.MAY).need.strict
