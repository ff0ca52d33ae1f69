"""Behaviours: shares fall on the same people every time, and nonsense is refused by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.demo.behaviour import Behaviour, BehaviourError, Fate, behaviour_of, draw, fate
from mta.demo.policy import Policy

MIXED = Behaviour(perm_share=0.1, temp_share=0.2, bounce_share=0.3)


def test_shares_come_out_as_asked_and_the_same_again() -> None:
    people = [f"u{n}@d.test" for n in range(20_000)]
    fates = [fate(MIXED, one, "s") for one in people]
    assert fates.count(Fate.PERMANENT) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert fates.count(Fate.TEMPORARY) / 20_000 == pytest.approx(0.2, abs=0.01)
    assert fates.count(Fate.BOUNCE) / 20_000 == pytest.approx(0.3, abs=0.01)
    assert [fate(MIXED, one, "s") for one in people] == fates
    assert [fate(MIXED, one, "other") for one in people] != fates


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text(max_size=40), st.sampled_from(["fate", "drop", "open"]))
def test_a_draw_lies_between_nought_and_one(recipient: str, seed: str, what: str) -> None:
    assert (
        0
        <= draw(recipient.encode("utf-8", "ignore").decode(), seed.encode("utf-8", "ignore").decode(), what)
        < 1
    )


@settings(max_examples=50, deadline=None)
@given(st.emails())
def test_a_share_of_one_is_everybody_and_of_nought_nobody(recipient: str) -> None:
    assert fate(Behaviour(perm_share=1), recipient, "") is Fate.PERMANENT
    assert fate(Behaviour(), recipient, "") is Fate.ACCEPT


@pytest.mark.parametrize(
    "data, names",
    [
        ({"perm_share": 1.5}, "perm_share"),
        ({"perm_share": 0.6, "temp_share": 0.6}, "exceed"),
        ({"rate_code": 550}, "rate_code"),
        ({"greylist_s": -1}, "greylist_s"),
        ({"greylst_s": 3}, "did you mean 'greylist_s'"),
        ({"rate": "fast"}, "rate has the wrong type"),
        ({"rate": True}, "rate has the wrong type"),
    ],
)
def test_nonsense_is_refused_by_name(data: dict[str, object], names: str) -> None:
    with pytest.raises(BehaviourError, match=names):
        behaviour_of(data)


def test_overrides_keep_the_rest_of_the_default() -> None:
    made = behaviour_of({"perm_share": 0.5}, Behaviour(reply_delay_ms=7))
    assert (made.perm_share, made.reply_delay_ms) == (0.5, 7)


def ask(policy: Policy, behaviour: Behaviour, now: float, recipient: str = "a@d.test") -> str:
    refusal = policy.refusal(behaviour, "d.test", "news@s.test", recipient, now)
    return refusal[0] if refusal else ""


def test_a_greylist_opens_after_its_time_and_looks_at_the_senders_domain_only() -> None:
    policy, grey = Policy(), Behaviour(greylist_s=3)
    assert ask(policy, grey, 100) == "greylist"
    assert ask(policy, grey, 102.9) == "greylist"
    assert ask(policy, grey, 103) == ""
    assert policy.refusal(grey, "d.test", "b.other@S.TEST", "a@d.test", 104) is None
    assert policy.refusal(grey, "d.test", "x@elsewhere.test", "a@d.test", 104) is not None


def test_a_temporary_refusal_ends_after_its_times() -> None:
    policy, twice = Policy(), Behaviour(temp_share=1, temp_times=2)
    assert [ask(policy, twice, 0) for _ in range(4)] == ["temporary", "temporary", "", ""]
    always = Behaviour(temp_share=1, temp_times=0)
    assert [ask(policy, always, 0, "b@d.test") for _ in range(5)] == ["temporary"] * 5


def test_a_rate_allows_a_second_of_burst_and_refills_by_time() -> None:
    policy, slow = Policy(), Behaviour(rate=10)
    first = [ask(policy, slow, 50) for _ in range(12)]
    assert first == [""] * 10 + ["rate"] * 2
    assert [ask(policy, slow, 50.25) for _ in range(3)] == ["", "", "rate"]
    assert ask(policy, slow, 99) == ""


def test_a_dot_is_dropped_once_per_recipient() -> None:
    policy, mean = Policy(), Behaviour(drop_dot_share=1)
    assert [policy.drops(mean, "a@d.test") for _ in range(3)] == [True, False, False]
    assert not Policy().drops(Behaviour(), "a@d.test")
