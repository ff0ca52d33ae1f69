"""Who goes first, and what their results say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.canary import BIG, Canary, Counts, draw, judge

PEOPLE = [f"u{n}@{'gmail.example' if n % 2 else f'd{n % 90}.example'}" for n in range(2000)]
TERMS = Canary(0.1, "go", least=20, wait=60_000)


def drawn(addresses: list[str], share: float, known: set[str] | None = None, left: int = 10_000) -> set[str]:
    return {
        addresses[at] for at in draw(addresses, share, "acme|spring", known or set(), left, first=not known)
    }


def test_the_same_people_are_drawn_in_whatever_company() -> None:
    every = drawn(PEOPLE, 0.1, {"gmail.example"})
    halves = drawn(PEOPLE[:1000], 0.1, {"gmail.example"}) | drawn(PEOPLE[1000:], 0.1, {"gmail.example"})
    big = {one for one in every ^ halves if one.endswith("gmail.example")}
    assert not big
    assert drawn(PEOPLE[::-1], 0.1) == drawn(PEOPLE, 0.1)
    assert drawn(PEOPLE, 0.05) <= drawn(PEOPLE, 0.1)
    assert 120 < len(every) < 280


def test_another_campaign_draws_others() -> None:
    other = {PEOPLE[at] for at in draw(PEOPLE, 0.1, "acme|fall", set(), 10_000, first=True)}
    assert other != drawn(PEOPLE, 0.1)


def test_somebody_of_each_big_domain_and_somebody_at_all() -> None:
    people = [f"u{n}@big{n % 3}.example" for n in range(3 * BIG)]
    domains = {one.partition("@")[2] for one in drawn(people, 1e-9)}
    assert domains == {f"big{n}.example" for n in range(3)}
    assert drawn(people, 1e-9, {f"big{n}.example" for n in range(3)}) == set()
    assert len(drawn(["a@x.example", "b@y.example"], 1e-9)) == 1


def test_no_more_than_are_left() -> None:
    assert len(drawn(PEOPLE, 0.5, left=7)) == 7
    assert drawn(PEOPLE, 0.5, left=-3) == set()
    assert drawn([], 0.5) == set()


@given(st.lists(st.emails(), max_size=40), st.floats(0.001, 0.999), st.booleans())
@settings(max_examples=100, deadline=None)
def test_positions_are_in_order_and_each_once(addresses: list[str], share: float, first: bool) -> None:
    positions = draw(addresses, share, "s", set(), 10_000, first=first)
    assert positions == sorted(set(positions))
    assert all(0 <= at < len(addresses) for at in positions)
    assert positions or not (first and addresses)


def verdict(counts: Counts, chosen: int = 100, began: int = 1, now: int = 2, *, complete: bool = True) -> str:
    return judge(TERMS, counts, chosen, began, now, complete=complete).verdict


def test_nothing_is_concluded_from_a_few() -> None:
    assert verdict(Counts(bounced=19)) == "wait"
    assert verdict(Counts(bounced=20)) == "stop"
    assert verdict(Counts(delivered=5), chosen=5, now=60_001) == "pass"
    assert verdict(Counts(delivered=5), chosen=5, now=60_001, complete=False) == "wait", "more may come"
    assert verdict(Counts(), began=0, now=10**9) == "wait"


def test_each_bound_stops_and_says_why() -> None:
    for counts, word in (
        (Counts(delivered=94, bounced=6), "6 of 100 bounced (6.0%, the bound is 5.0%)"),
        (Counts(delivered=100, complained=1), "1 of 100 complained"),
        (Counts(delivered=74, deferred=26), "26 of 100 are deferred"),
    ):
        said = judge(TERMS, counts, 100, 1, 2, complete=True)
        assert said.verdict == "stop"
        assert word in said.reason
    assert verdict(Counts(delivered=95, bounced=5), now=60_001) == "pass", "at the bound is not past it"


def test_it_is_watched_for_its_time() -> None:
    assert verdict(Counts(delivered=100), now=60_000) == "wait"
    assert verdict(Counts(delivered=100), now=60_001) == "pass"


def test_a_canary_of_suppressed_people_says_nothing_good() -> None:
    said = judge(TERMS, Counts(suppressed=3), 3, 0, 2, complete=True)
    assert said.verdict == "stop"
    assert "suppressed" in said.reason
