"""A short run of bench.fuzz_replies, and proof that its oracle sees a dialogue that gets something wrong."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.fuzz_replies import fuzz
from mta.smtp import dialogue
from mta.smtp.replies import ReplyReader
from mta.smtp.transitions import Step
from mta.smtp.turns import TURNS, Turns

INPUTS = 3000
SEEN = ("deferred", "delivered", "ended", "ended misbehaved", "failed", "need", "unsent", "unsure")


def test_every_envelope_gets_the_one_verdict_that_the_wire_shows() -> None:
    found = fuzz(INPUTS, seed=11)
    assert found["faults"] == []
    assert all(found["seen"][word] > 100 for word in SEEN), found["seen"]


def _never_unsure(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda stage, why: original(dialogue.Stage.BODY, why)


def _nothing(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *_: None


LIES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "nothing is unsure": lambda patch: patch.setattr(
        "mta.smtp.turns.unanswered", _never_unsure(dialogue.unanswered)
    ),
    "two codes in one reply are taken": lambda patch: patch.setattr(
        ReplyReader, "_line", lambda self, line: None
    ),
    "rubbish is no fault": lambda patch: patch.setattr(Turns, "_fault", _nothing(Turns._fault)),
    "2yz to DATA is a go-ahead": lambda patch: patch.setattr(
        dialogue,
        "TURNS",
        tuple(
            (row[1], *row[1:]) if step is Step.DATA else row for step, row in zip(Step, TURNS, strict=True)
        ),
    ),
    "early answers count": lambda patch: patch.setattr(
        dialogue.Dialogue, "receive", _believing(dialogue.Dialogue.receive)
    ),
}


def _believing(original: Callable[..., Any]) -> Callable[..., Any]:
    def receive(self: dialogue.Dialogue, data: bytes) -> Any:
        news, out = [], []
        for at in range(len(data)):
            news += original(self, data[at : at + 1])
            out += self.outgoing()
        self._outgoing = [] if self.ended else out
        return news

    return receive


@pytest.mark.parametrize("lie", LIES)
def test_the_oracle_notices(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    LIES[lie](monkeypatch)
    assert fuzz(500, seed=11)["faults"]
