"""What a worker makes of answers before it tells the queue: shares of its latest attempts, classes by rules."""

from mta.throttle.reactions import rule
from mta.verdict import Stage
from mta.workers.answers import LEAST, MOST, MOST_PATHS, Answers

PATH = "default|example.net"


class Ear:
    """Answers with a clock set by hand; counts how often the queue was to be told."""

    def __init__(self) -> None:
        self.now, self.calls = 100.0, 0
        self.answers = Answers(self._told, lambda: self.now)

    def _told(self) -> None:
        self.calls += 1

    def good(self, times: int = 1) -> None:
        for _ in range(times):
            self.answers.good(PATH, self.now)

    def bad(self, cls: str = "rate_limited", stage: Stage = Stage.RCPT, sessions: int = 4, rules=()) -> None:
        self.answers.bad(PATH, cls, stage, self.now, sessions, tuple(rules))


def test_a_delivered_message_tells_nothing() -> None:
    ear = Ear()
    ear.good(10 * MOST)
    assert ear.calls == 0
    assert not ear.answers.take()


def test_a_refusal_tells_its_share_of_the_latest_attempts() -> None:
    ear = Ear()
    ear.good(39)
    ear.now += 2
    ear.bad()
    told = ear.answers.take().slows[PATH]
    assert (told.share, told.age, told.own) == (0.0, 2000, 20.0)  # met, and nobody knows by how much
    for _ in range(6):
        ear.good()
        ear.bad()
    assert ear.answers.take().slows[PATH].share == 4 / 10
    assert not ear.answers.take()


def test_a_few_attempts_make_no_share() -> None:
    ear = Ear()
    ear.bad()
    ear.good(LEAST - 2)
    assert not ear.answers.heard
    ear.good()
    assert ear.answers.take().slows[PATH].share == 0.0


def test_what_began_before_the_last_word_says_nothing_new() -> None:
    ear = Ear()
    ear.good(LEAST)
    before = ear.now
    ear.now += 1
    ear.bad()
    ear.answers.take()
    for _ in range(2 * LEAST):
        ear.answers.bad(PATH, "rate_limited", Stage.DOT, before, 1, ())
    assert not ear.answers.take()
    ear.now += 1
    for _ in range(LEAST):
        ear.bad()
    assert ear.answers.take().slows[PATH].share == (LEAST - 1) / LEAST


def test_other_refusals_are_no_matter_of_pace() -> None:
    ear = Ear()
    for _ in range(LEAST):
        ear.bad("recipient_unknown")
    assert not ear.answers.take()


def test_a_refused_connection_asks_for_fewer() -> None:
    ear = Ear()
    ear.bad(stage=Stage.GREETING, sessions=7)
    assert ear.answers.take().fews == {PATH: 7}


def test_rules_count_their_classes() -> None:
    ear = Ear()
    often = rule("default.0", {"class": "auth", "count": 9, "alarm": True})
    for _ in range(3):
        ear.bad("auth", rules=[often])
    told = ear.answers.take().counted[(PATH, "default.0")]
    assert (told.n, told.cls, told.rule) == (3, "auth", often)


def test_a_share_is_of_all_attempts() -> None:
    ear = Ear()
    half = rule("default.0", {"class": "network", "share": 0.5, "suspend": "5m"})
    ear.good(20)
    for _ in range(15):
        ear.bad("network", rules=[half])
    assert not ear.answers.take()  # 15 of 35
    for _ in range(10):
        ear.bad("network", rules=[half])
    assert ear.answers.take().counted[(PATH, "default.0")].n >= 1


def test_paths_are_forgotten_in_their_order() -> None:
    ear = Ear()
    for number in range(MOST_PATHS + 5):
        ear.answers.good(f"default|d{number}.example", ear.now)
    assert len(ear.answers._windows) == MOST_PATHS
