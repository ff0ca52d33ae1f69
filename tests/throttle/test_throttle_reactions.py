"""Reactions in a shaping file: who inherits what, and each mistake named with its line, its key and the cure."""

from pathlib import Path

import pytest

from mta.config.shaping import SHIPPED, load_shaping
from mta.throttle.reactions import Rule
from mta.throttle.shapefile import ShapingError, parse

TEXT = """
[[default.reactions]]
class = "reputation"
count = 5
within = "2h"
suspend = "30m"
alarm = true

[[default.reactions]]
class = ["network", "remote_temporary"]
share = 0.5
slow = 0.25
for = "10m"

[provider.big]
domains = ["big.example"]

[[provider.big.reactions]]
class = "reputation"
alarm = true

[domain."own.example"]
provider = "big"

[[domain."own.example".reactions]]
class = "auth"
suspend = "1d"
"""


def test_a_section_replaces_the_classes_it_has_rules_for() -> None:
    found = parse(TEXT)
    first = Rule("default.0", frozenset({"reputation"}), 5, 7_200_000, suspend=1_800_000, alarm=True)
    second = Rule(
        "default.1",
        frozenset({"network", "remote_temporary"}),
        1,
        3_600_000,
        share=0.5,
        slow=0.25,
        lasts=600_000,
    )
    assert found.rules("example.net", "reputation") == (first,)
    assert found.rules("example.net", "network") == found.rules("big", "network") == (second,)
    assert found.rules("big", "reputation") == (
        Rule("provider.big.0", frozenset({"reputation"}), 1, 3_600_000, alarm=True),
    )
    site = found.site("own.example", ["mx.own.example"])
    assert site == "own.example"
    assert found.rules(site, "reputation") == found.rules("big", "reputation")
    assert [rule.suspend for rule in found.rules(site, "auth")] == [86_400_000]
    assert found.rules("example.net", "auth") == ()
    assert first.why("reputation") == "5 answers reputation within 2 h"
    assert second.why("network") == "1 answers network within 1 h, 50% of attempts"


@pytest.mark.parametrize(
    ("line", "at", "says"),
    [
        ('class = "angry"', 3, "is no class of answers"),
        ("class = []", 3, "is missing"),
        ('class = "auth"\ncount = 0', 4, "whole number from 1"),
        ('class = "auth"\ncount = true', 4, "whole number from 1"),
        ('class = "auth"\nwithin = "soon"', 4, 'write a time such as "30s"'),
        ('class = "auth"\nwithin = "90d"', 4, 'at most "30d"'),
        ('class = "auth"\nshare = 5', 4, "a share from 0 to 1"),
        ('class = "auth"\nalarm = "yes"', 4, "true or false"),
        ('class = "auth"\nslow = 0.5', 4, "belong together"),
        ('class = "auth"\nfor = "1h"', 4, "belong together"),
        ('class = "auth"\nslow = 1.0\nfor = "1h"', 4, "between 0 and 1"),
        ('class = "auth"\nslow = 0.5\nfor = "1h"\nsuspend = "1h"', 4, "give `suspend` or `slow`"),
        ('class = "auth"', 3, "does nothing"),
        ('class = "auth"\nsuspent = "1h"', 4, "did you mean `suspend`"),
    ],
)
def test_mistakes_name_line_key_and_cure(line: str, at: int, says: str) -> None:
    good = '[[default.reactions]]\nclass = "auth"\nalarm = true\n'
    with pytest.raises(ShapingError) as first:
        parse(f"\n[[default.reactions]]\n{line}\n", "f.toml")
    assert str(first.value).startswith(f"f.toml:{at}: `default.reactions.0.")
    assert says in str(first.value)
    with pytest.raises(ShapingError) as second:
        parse(f"{good}[[default.reactions]]\n{line}\n", "f.toml")
    assert str(second.value).startswith(f"f.toml:{at + 2}: `default.reactions.1.")


def test_reactions_are_a_list_of_rules() -> None:
    with pytest.raises(ShapingError, match=r"f.toml:2: `default.reactions`: is a list of rules"):
        parse('[default]\nreactions = "none"', "f.toml")
    with pytest.raises(ShapingError, match="over 64; merge some"):
        parse("[[default.reactions]]\nclass = 'auth'\nalarm = true\n" * 65)


def test_the_shipped_file_reacts_as_the_classes_ask(tmp_path: Path) -> None:
    found = load_shaping(SHIPPED)
    for site in ("google", "example.net"):
        assert [rule.suspend for rule in found.rules(site, "reputation")] == [3_600_000]
        assert [rule.count for rule in found.rules(site, "auth")] == [1]
        assert found.rules(site, "rate_limited") == found.rules(site, "greylisted") == ()
