"""The storm's deck, the document a run ends in, and that each kind of fault in the books reaches it."""

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.books import Entry, check
from bench.chaos import AT_LEAST, SHARE, deck, document
from bench.fleet import Victim
from bench.snapshot import Waiting
from bench.storm import Storm
from mta.event import event


@given(st.integers(0, 250), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_a_deck_holds_every_victim_by_its_share(kills: int, seed: int) -> None:
    cards = deck(kills, random.Random(seed))
    assert len(cards) == kills
    counts = Counter(name for name, _ in cards)
    for name, (_, moments) in SHARE.items():
        asked = Counter(moment for victim, moment in cards if victim == name)
        assert set(asked) <= set(moments)
        turns = [asked[moment] for moment in moments]
        assert max(turns) - min(turns) <= 1, "its moments come in turn"
    assert all(counts[name] for name in AT_LEAST[:kills])


@given(st.integers(50, 250), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_shares_are_kept_within_a_few_kills(kills: int, seed: int) -> None:
    counts = Counter(name for name, _ in deck(kills, random.Random(seed)))
    assert set(counts) == set(SHARE)
    for name, (share, _) in SHARE.items():
        assert abs(counts[name] - kills * share / 100) <= 4, name


def test_the_same_seed_gives_the_same_deck_and_another_another() -> None:
    assert deck(50, random.Random(1)) == deck(50, random.Random(1)) != deck(50, random.Random(2))


def test_a_stopped_worker_comes_first_so_that_it_is_back_before_the_end() -> None:
    for seed in range(20):
        assert deck(50, random.Random(seed))[0][0] == "pause"


def test_some_victims_alone() -> None:
    assert {name for name, _ in deck(9, random.Random(1), ("worker", "redis"))} == {"worker", "redis"}


def test_a_victim_has_the_name_its_lease_has() -> None:
    victim = Victim("worker12", 1, 0.5)
    assert victim.role == "worker"
    assert victim.lease.endswith(".worker12")


# what a run ends in

NAMES = ("spring.x.0", "spring.x.1", "spring.x.2")


class Books:
    """A sound run of three: two delivered, one bounced. Faults are put into it."""

    def __init__(self) -> None:
        told = {"tenant": "acme", "campaign": "spring"}
        self.events = [
            event("accepted", "k", 1, key="k", kind="recipients", count=3, refused=0, **told),
            *(event("delivered", f"{name}/1", 1, id=name, **told) for name in NAMES[:2]),
            event("bounced", f"{NAMES[2]}/1", 1, id=NAMES[2], **told),
        ]
        self.waiting = Waiting()
        self.totals = {"accepted": 3, "delivered": 2, "bounced": 1}
        self.waiting.totals["acme", "spring"] = self.totals
        self.received = {
            "messages": 2, "distinct_recipients": 2, "duplicates": 0, "dots_unconfirmed": 0,
        }  # fmt: skip
        self.code: int | None = 0

    def told(self) -> dict[str, Any]:
        verdict = check([Entry("acme", "spring", "k", NAMES)], self.events, self.waiting).document()
        watch = SimpleNamespace(plan=SimpleNamespace(count=3), again=0)
        kill = {"at": 1.0, "victim": "worker", "moment": "dots", "in_flight": 60, "dots_open": 12}
        storm = SimpleNamespace(watch=watch, log=[kill], faults=[], checks=[{"at": 2.0, **verdict}])
        return document(cast(Storm, storm), self.received, self.code)


def test_a_sound_run_holds() -> None:
    told = Books().told()
    assert told["holds"], told["faults"]
    assert (told["lost"], told["duplicates"], told["kills"]) == (0, 0, 1)


def lost_by_the_engine(books: Books) -> None:
    del books.events[1]


def told_and_never_came(books: Books) -> None:
    books.received["distinct_recipients"] = 1


def came_and_not_told(books: Books) -> None:
    books.received["distinct_recipients"] = 3


def told_twice(books: Books) -> None:
    books.events.append(event("bounced", "again", 1, tenant="acme", campaign="spring", id=NAMES[0]))


def written_to_twice_without_cause(books: Books) -> None:
    books.received |= {"messages": 4, "duplicates": 2, "dots_unconfirmed": 1}


def wrong_total(books: Books) -> None:
    books.totals["delivered"] += 1


def waits_and_is_done(books: Books) -> None:
    books.waiting.queued["acme", NAMES[0]] += 1


def did_not_end_well(books: Books) -> None:
    books.code = -9


FAULTS = {
    lost_by_the_engine: "check 0: lost",
    told_and_never_came: "1 are told as delivered and never came",
    came_and_not_told: "1 came and are not told as delivered",
    told_twice: "check 0: double final",
    written_to_twice_without_cause: "2 duplicates, only 1 open dots",
    wrong_total: "check 0: wrong total",
    waits_and_is_done: "check 0: final and waiting",
    did_not_end_well: "the engine ended with -9",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_every_fault_is_told(spoil: Any) -> None:
    books = Books()
    spoil(books)
    told = books.told()
    assert FAULTS[spoil] in told["faults"], told["faults"]
    assert not told["holds"]


@pytest.mark.parametrize("spoil", [lost_by_the_engine, told_and_never_came])
def test_who_is_lost_is_counted(spoil: Any) -> None:
    books = Books()
    spoil(books)
    assert books.told()["lost"] == 1


def test_a_duplicate_for_each_open_dot_is_allowed() -> None:
    books = Books()
    books.received |= {"messages": 4, "duplicates": 2, "dots_unconfirmed": 2}
    assert books.told()["holds"]
