"""The fuzzer of replies meets every kind of end, repeats itself, and a wrong verdict does not get past it."""

import json

import pytest
from click.testing import CliRunner

from bench import fuzz_replies
from bench.fuzz_replies import FAULTS, Session, fuzz
from bench.reply_oracle import Oracle, Token

INPUTS = 600


def test_sessions_agree_with_the_oracle_and_end_in_every_way() -> None:
    found = fuzz(INPUTS)
    assert found["faults"] == []
    assert {"delivered", "deferred", "failed", "unsure", "ended", "ended misbehaved", "need"} <= set(
        found["seen"]
    )
    assert found["inputs"] == INPUTS


def test_a_number_names_one_session() -> None:
    words = [Session(number, 3).run() for number in range(40)]
    assert words == [Session(number, 3).run() for number in range(40)]
    assert words != [Session(number, 4).run() for number in range(40)]


def test_a_verdict_that_is_not_the_oracles_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Oracle.got

    def wrong(self: Oracle, piece: bytes) -> list[Token]:
        return [
            tuple("unsure" if word == "delivered" else word for word in token) for token in right(self, piece)
        ]

    monkeypatch.setattr(fuzz_replies.Oracle, "got", wrong)
    found = fuzz(200, seed=2)
    assert len(found["faults"]) == FAULTS, "it stops there"
    assert found["faults"][0].startswith("--seed 2 --first ")
    result = CliRunner().invoke(fuzz_replies.main, ["--inputs", "200", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["faults"]
