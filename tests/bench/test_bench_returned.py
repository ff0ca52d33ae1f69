"""The reports that `bench.inbound` sends are read as what they are meant to be."""

import random
from pathlib import Path

import pytest

from bench.returned import KINDS, made
from mta.bounce import classify
from mta.bounce.report import read

MEANT = {
    "report": "bounce", "plain text": "bounce", "complaint": "complaint", "absent": "auto_reply", "delay": "delay",
    "forged": "bounce", "unreadable": "none",
}  # fmt: skip


@pytest.mark.parametrize("name", MEANT)
def test_each_kind_is_read_as_meant(name: str) -> None:
    rules = classify.load((Path(classify.__file__).parent / "rules.toml").read_text())
    (write,) = [write for kind, _, write in KINDS if kind == name]
    for number in range(20):
        _, _, text = write(number, random.Random(number), "a" * 45, "b" * 45)
        (report,) = read(text.replace("\n", "\r\n").encode(), rules)
        assert report.kind == MEANT[name]
        if name in ("report", "plain text", "complaint"):
            assert report.tokens


def test_no_two_are_alike_and_the_shares_are_hundredths() -> None:
    chance = random.Random(1)
    assert len({made(number, chance, "a" * 45, "b" * 45)[2] for number in range(500)}) == 500
    assert sum(share for _, share, _ in KINDS) == 100
