"""The rule file's grammar: what is refused, and that the error names the rule."""

import pytest

from mta.bounce.classify import classify, load
from mta.bounce.rules import MAX_RULES, RulesFault

CLASSES = """
[classes]
unknown = { disposition = "unknown" }
remote_temporary = { disposition = "soft" }
policy = { disposition = "block" }
recipient_unknown = { disposition = "hard", suppress = true }
"""


def rule(phrases: str, more: str = "") -> str:
    return f'{CLASSES}\n[[rule]]\nclass = "policy"\nphrases = [{phrases}]\n{more}\n'


def test_a_small_file() -> None:
    rules = load(rule("'/a{1,3}bcd(?:ef|gh)?/', \"plain.\""))
    assert classify(550, "", "xx aabcdgh", rules).cls == "policy"
    assert classify(550, "", "plain. text", rules).cls == "policy"
    assert classify(550, "", "plainly", rules).cls == "unknown"  # plain text is no regex
    assert classify(450, "", "other", rules).cls == "remote_temporary"


def test_order_decides() -> None:
    text = rule('"refused"') + '[[rule]]\nclass = "recipient_unknown"\nphrases = ["user unknown"]\n'
    assert classify(550, "", "user unknown, refused", load(text)).cls == "policy"


def test_kind_codes_unless_and_suppress() -> None:
    rules = load(rule('"refused"', 'kind = 5\ncodes = ["5.3.1-3"]\nunless = ["kindly"]\nsuppress = true'))
    assert classify(550, "5.3.2", "refused", rules) == ("policy", "block", True)
    assert classify(550, "5.3.4", "refused", rules).cls == "unknown"
    assert classify(450, "5.3.2", "refused", rules).cls == "remote_temporary"
    assert classify(550, "5.3.2", "kindly refused", rules).cls == "unknown"


def test_shifts_by_stage_and_code_and_rules_that_stand() -> None:
    text = (
        CLASSES
        + """
[[rule]]
class = "recipient_unknown"
certain = true
phrases = ["surely unknown"]
[[rule]]
class = "recipient_unknown"
phrases = ["unknown"]
[[shift]]
class = "policy"
from = ["recipient_unknown"]
stages = ["dot"]
unless = ["x.1.1"]
[[shift]]
class = "policy"
from = ["recipient_unknown"]
codes = ["5.2.1"]
"""
    )
    rules = load(text)
    assert classify(550, "", "unknown", rules, "rcpt").cls == "recipient_unknown"
    assert classify(550, "", "unknown", rules, "dot") == ("policy", "block", False)
    assert classify(550, "5.1.1", "unknown", rules, "dot").cls == "recipient_unknown"
    assert classify(550, "", "surely unknown", rules, "dot").cls == "recipient_unknown"
    assert classify(550, "5.2.1", "unknown", rules).cls == "policy"


@pytest.mark.parametrize(
    "phrase",
    [
        "/(?:a+)+bcd/", "/abc.*/", "/abc.+/", "/abc(?:d.{0,9}){2}/", "/abc.{0,81}/", "/abc.{0,9}.{0,9}.{0,9}/",
        "/abc.{5}/", "/(abc)/", "/abc|def/", "/abc(?=d)/", "/a[bc]d/", "/abc\\\\1/", "/abc(/", "ab", "Upper case", "",
    ],
)  # fmt: skip
def test_phrases_that_are_refused(phrase: str) -> None:
    with pytest.raises(RulesFault, match=r"\[\[rule\]\] number 1: "):
        load(rule(f'"{phrase}"'))


@pytest.mark.parametrize(
    "text, says",
    [
        ("[classes", "not valid TOML"),
        ("", "must name unknown"),
        ('[classes]\nunknown = { disposition = "odd" }', "class unknown: disposition is one of"),
        (CLASSES + '[[rule]]\nclass = "odd"\nphrases = ["abc"]', "number 1: class 'odd'"),
        (CLASSES + '[[rule]]\nclass = "policy"\nphrase = ["abc"]', "unknown key 'phrase'"),
        (CLASSES + '[[rule]]\nclass = "policy"', "phrases must hold"),
        (rule('"abc"', "kind = 3"), "kind is 4 or 5"),
        (rule('"abc"', 'codes = ["5.1"]'), "'5.1' is no enhanced code"),
        (CLASSES + '[[code]]\nclass = "policy"\ncode = [550]', "number 1: unknown key 'code'"),
        (CLASSES + '[[shift]]\nclass = "odd"', r"[[shift]] number 1: class 'odd'"),
        (CLASSES + '[[shift]]\nclass = "policy"\nfrom = ["odd"]', "number 1: class 'odd'"),
        (CLASSES + '[[shift]]\nclass = "policy"\nto = "odd"', "unknown key 'to'"),
        (CLASSES + '[[rule]]\nclass = "policy"\nphrases = ["abc"]\n' * (MAX_RULES + 1), "at most"),
    ],
)
def test_faults_say_where(text: str, says: str) -> None:
    with pytest.raises(RulesFault) as caught:
        load(text)
    assert says in str(caught.value)
