"""What a whole site or campaign waits for, in one sentence."""

import pytest

from mta.throttle.waiting.shares import SAID, Part, merged, percent, sentence


def test_shares_in_one_sentence_the_largest_first() -> None:
    parts = merged(
        [
            Part("retry", 30),
            Part("rate", 40, "google"),
            Part("in_flight", 8),
            Part("rate", 22, "google"),
            Part("turn", 0),
        ]
    )
    assert sentence(parts, False) == "62 % wait for google's rate, 30 % wait for a retry, 8 % in flight"
    assert sentence(parts, True).startswith("about 62 %")
    assert sentence([], False) == "nothing waits"


def test_shares_of_sites_are_kept_apart_where_the_site_matters() -> None:
    parts = merged([Part("rate", 1, "a"), Part("rate", 2, "b"), Part("held", 3, "a"), Part("held", 4, "b")])
    assert parts == [Part("held", 7), Part("rate", 2, "b"), Part("rate", 1, "a")]


def test_shares_beyond_what_a_sentence_holds_are_told_as_others() -> None:
    parts = merged(Part("rate", 10, f"s{n}") for n in range(SAID + 4))
    assert sentence(parts, False).endswith("40 % for other reasons")


@pytest.mark.parametrize(
    ("part", "whole", "said"), [(1, 1000, "under 1 %"), (999, 1000, "99 %"), (1, 1, "100 %"), (1, 3, "33 %")]
)
def test_shares_never_none_of_what_is_there_nor_all_of_what_is_not(part: int, whole: int, said: str) -> None:
    assert percent(part, whole) == said


def test_shares_of_a_reason_nobody_put_in_words_are_told_by_its_code() -> None:
    assert sentence([Part("brand_new", 1)], False) == "100 % brand_new"
