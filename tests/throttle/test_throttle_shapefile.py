"""Shaping files: what they say, and what is said about their mistakes."""

import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.limits import Limits
from mta.throttle.shapefile import MOST_NAMES, MOST_SECTIONS, MOST_TEXT, ShapingError, parse
from mta.throttle.shaping import Shaping


def test_an_empty_file_changes_nothing() -> None:
    assert parse("") == Shaping()
    assert parse("# nothing\n").table() == {"*": Limits()}
    assert parse("", base=Limits(connections=3)).limits("any.example") == Limits(connections=3)


def test_a_section_inherits_from_the_wider_one() -> None:
    shaping = parse(
        """
        [default]
        rate = "100/s"
        messages = 100
        [provider.google]
        mx = ["*.google.com"]
        domains = ["workspace.example", "part.example"]
        connections = 5
        rate = "50/s"
        [provider.silent]
        mx = ["*.silent.example"]
        [domain."workspace.example"]
        messages = 10
        [domain."alone.example"]
        rate = "none"
        recipients = 1
        [domain."under.silent.example"]
        provider = "silent"
        connections = 1
        [domain."joined.example"]
        provider = "google"
        """,
        base=Limits(connections=7),
    )
    default = Limits(100.0, 100, 7, 100, 100)
    google = Limits(50.0, 50, 5, 100, 100)
    assert shaping.table() == {
        "*": default,
        "google": google,
        "workspace.example": Limits(50.0, 50, 5, 10, 100),
        "alone.example": Limits(0.0, 1, 7, 100, 1),
        "under.silent.example": Limits(100.0, 100, 1, 100, 100),
    }
    for site, limits in shaping.table().items():
        assert shaping.limits(site) == limits
    assert shaping.limits("silent") == default
    assert shaping.limits("part.example") == default
    assert shaping.site("part.example", []) == "google"
    assert shaping.site("joined.example", []) == "google"
    assert shaping.site("workspace.example", ["mx.google.com"]) == "workspace.example"
    assert shaping.site("under.silent.example", []) == "under.silent.example"
    assert shaping.providers == {"google", "silent"}


def test_sections_may_come_in_any_order_and_form() -> None:
    plain = '[default]\nconnections = 3\n[provider.a]\nmx = ["*.a.example"]\n[domain."d.example"]\nprovider = "a"\n'
    other = "domain = {'D.example' = {provider = 'a'}}\nprovider.a.mx = ['*.A.example.']\ndefault.connections = 3\n"
    assert parse(plain) == parse(other)


PROVIDER = '[provider.google]\nmx = ["*.google.com"]\n'


def test_a_provider_may_live_of_the_domains_that_name_it() -> None:
    shaping = parse("[provider.a]\nconnections = 2\n[domain.'x.example']\nprovider = 'a'\n")
    assert shaping.limits(shaping.site("x.example", [])).connections == 2


MISTAKES = {
    # syntax
    "[default\n": "shaping.toml:1: is not TOML",
    "[default]\n\nrate = \n": "shaping.toml:3: is not TOML",
    '[default]\n[provider.a]\nmx = ["': "shaping.toml:3: is not TOML",
    "[default]\nburst = 1\nburst = 2\n": "shaping.toml:3: is not TOML",
    "a = " + "[" * 100_000: "nested too deeply",
    "a = 1" + "0" * 5000: "is not TOML",
    # names
    "[defualt]\n": "shaping.toml:1: `defualt`: unknown section; did you mean `default`?",
    "\nrate = '1/s'\n": "shaping.toml:2: `rate`: stands above every section; write it under [default]",
    "[default]\n# x\nconections = 1\n": "toml:3: `default.conections`: unknown key; did you mean `connections`?",
    "[default]\nmx = []\n": "`default.mx`: unknown key",
    PROVIDER + "connection = 1": "toml:3: `provider.google.connection`: unknown key; did you mean `connections`?",
    PROVIDER + "zzz = 1": "known here: burst, connections, domains, messages, mx, rate, reactions, recipients",
    '[domain."a.example"]\n\nrte = "1/s"': 'shaping.toml:3: `domain."a.example".rte`: unknown key; did you mean `rate`',
    "[domain.'a.example'.rate]\nx = 1": "toml:1: `domain.\"a.example\".rate`: is {'x': 1}; write a whole number above",
    "default = 1": "shaping.toml:1: `default`: is a section; write [default] above its keys",
    "[provider]\ngoogle = 1": "shaping.toml:2: `provider.google`: is a section; write [provider.google]",
    "[[provider]]\n": "`provider`: is a table of sections",
    "[[provider.google]]\n": "shaping.toml:1: `provider.google`: is a section",
    "[provider.'a.b']\nmx = ['*.a.b']": 'shaping.toml:1: `provider."a.b"`: a provider is named by a letter, then a-z',
    "[provider.Google]\nmx = ['*.a.b']": "a provider is named by a letter",
    # values
    "[default]\nconnections = 0": "`default.connections`: is 0; write a whole number from 1 to 10000; to stop mail",
    "[default]\nconnections = -1": "is -1; write a whole number from 1",
    "[default]\nconnections = true": "is True; write a whole number",
    "[default]\nconnections = 2.5": "is 2.5; write a whole number",
    "[default]\nconnections = '2'": "is '2'; write a whole number",
    "[default]\nburst = 0": "`default.burst`: is 0; write a whole number from 1",
    "[default]\nmessages = 0": "`default.messages`: is 0",
    "[default]\nrecipients = 1001": "`default.recipients`: is 1001; write a whole number from 1 to 1000",
    "[default]\nrate = '-5/s'": "is '-5/s'; write a whole number above 0",
    "[default]\nrate = '0/s'": "is '0/s'; write a whole number above 0",
    "[default]\nrate = 5": 'is 5; write a whole number above 0, / and s, min, h or day: 50000/h, or "none"',
    "[default]\nrate = '5/minute'": "`default.rate`: is '5/minute'; write 5/min, or",
    "[default]\nrate = '5/fortnight'": "s, min, h or day",
    "[default]\nrate = '1000001/s'": "write at most 1000000/s",
    "[provider.a]\nmx = '*.a.example'": 'toml:2: `provider.a.mx`: is a list of texts; write mx = ["...", "..."]',
    "[provider.a]\nmx = [1]": "is a list of texts",
    "[provider.a]\ndomains = {}": "`provider.a.domains`: is a list of texts",
    # patterns
    "[provider.a]\nmx = [\n'*.a.example',\n'*.b*.example']": "toml:4: `provider.a.mx`: '*.b*.example' can match no MX",
    "[provider.a]\nmx = ['mx*.example']": "can match no MX host",
    "[provider.a]\nmx = ['.example']": "can match no MX host",
    "[provider.a]\nmx = ['a..example']": "can match no MX host",
    "[provider.a]\nmx = ['']": "can match no MX host",
    "[provider.a]\nmx = ['*.a b.example']": "can match no MX host",
    "[provider.a]\nmx = ['-a.example']": "can match no MX host",
    "[provider.a]\nmx = ['*.192.0.2.1']": "can match no MX host",
    "[provider.a]\nmx = ['a.example\\n']": "can match no MX host",
    "[provider.a]\nmx = ['" + "a" * 64 + ".example']": "can match no MX host",
    "[provider.a]\nmx = ['" + "a." * 127 + "example']": "can match no MX host",
    "[provider.a]\nmx = ['*']": "is every host; write its limits under [default]",
    "[provider.a]\nmx = ['\u00fc*.example']": "is no domain",
    "[provider.a]\ndomains = ['*.example.net']": "'*.example.net' is no domain; write one such as example.net",
    "[provider.a]\ndomains = ['jo@example.net']": "is no domain",
    "[domain.'*.example']\nburst = 1": 'shaping.toml:1: `domain."*.example"`: \'*.example\' is no domain',
    # contradictions
    PROVIDER + "[provider.b]\nmx = [\n\n'*.Google.com.']": "toml:6: `provider.b.mx`: '*.Google.com.' belongs to [pro",
    "[provider.a]\ndomains = ['X.example']\n[provider.b]\ndomains = ['x.example']": "belongs to [provider.a] already",
    "[provider.a]\n": "shaping.toml:1: `provider.a`: nothing belongs to it; give it `mx` patterns or `domains`",
    "[provider.a]\nmx = []\n": "nothing belongs to it",
    "[domain.'x.example']\n": "says nothing; give it a limit or a `provider`",
    PROVIDER + "[domain.'x.example']\nprovider = 'gogle'":
        "toml:4: `domain.\"x.example\".provider`: no provider is named 'gogle'; did you mean `google`?",
    PROVIDER + "[domain.'x.example']\nprovider = 1": "no provider is named 1; known here: google",
    "[domain.'x.example']\nprovider = 'a'": "there is none in this file",
    PROVIDER + "domains = ['x.example']\n[provider.b]\nmx = ['*.b']\n[domain.'x.example']\nprovider = 'b'":
        "toml:7: `domain.\"x.example\".provider`: [provider.google] claims this domain too",
    PROVIDER + "[domain.google]\nburst = 1\nrate = '1/s'": "a provider has this name",
    "[domain.'X.example']\nmessages = 1\n[domain.'x.example']\nmessages = 1":
        "toml:3: `domain.\"x.example\"`: is the same domain as 'X.example'; merge",
    "[default]\nburst = 5": "toml:2: `default.burst`: is a burst without a rate; write a rate",
    "[default]\nrate = '10/s'\n[domain.'x.example']\nrate = 'none'\nburst = 5":
        "toml:5: `domain.\"x.example\".burst`: is a burst without a rate",
    "[default]\nrate = '100/day'\nburst = 101":
        "toml:3: `default.burst`: is 101, more than the rate gives in a whole day; write at most 100",
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: ascii(text[-40:]))
def test_a_mistake_names_file_line_key_and_cure(text: str) -> None:
    with pytest.raises(ShapingError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith("shaping.toml")
    assert MISTAKES[text] in message
    assert len(message) < 600


def test_the_message_has_the_files_own_name() -> None:
    with pytest.raises(ShapingError, match=r"\A/etc/x\.toml:1: `x`: "):
        parse("x = 1", "/etc/x.toml")


def test_sizes_have_caps() -> None:
    sections = "".join(f"[domain.'d{n}.example']\nmessages = 1\n" for n in range(MOST_SECTIONS + 1))
    with pytest.raises(ShapingError, match=f"`domain`: has {MOST_SECTIONS + 1} sections"):
        parse(sections)
    names = [f"mx{n}.example" for n in range(MOST_NAMES + 1)]
    with pytest.raises(ShapingError, match=f"`provider.a.mx`: has {MOST_NAMES + 1} entries"):
        parse(f"[provider.a]\nmx = {names}")
    assert len(parse(f"[provider.a]\nmx = {names[1:]}").hosts) == MOST_NAMES
    with pytest.raises(ShapingError, match="a shaping file has not"):
        parse("#" * (MOST_TEXT + 1))


TOKENS = st.lists(
    st.sampled_from(
        [
            "[default]\n", "[provider.a]\n", "[domain.'a.b']\n", "[provider]\n", "mx", "domains", "rate", "burst",
            "provider", "connections", " = ", '"1/s"', "1", "0", '["*.a.b"]', "'a'", "{", "}", "[", "]", "\n", ".",
            '"', ",",
        ]
    ),
    max_size=16,
).map("".join)  # fmt: skip


@given(TOKENS | st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_shaping_or_an_error_with_a_place(text: str) -> None:
    try:
        shaping = parse(text)
    except ShapingError as error:
        message = str(error)
    else:
        tomllib.loads(text)  # nothing but TOML is taken
        message = "" if "*" in shaping.table() else "no default"
    assert message == "" or re.match(r"shaping\.toml:\d+: ", message)
