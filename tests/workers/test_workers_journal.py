"""The sent journal: what a killed worker's next life is told."""

from pathlib import Path

import pytest

from mta.workers.journal import Journal, replay

ONE, TWO, THREE = (bytes([n]) * 9 for n in (1, 2, 3))


def test_what_was_open_and_what_was_answered_is_told_to_the_next_life(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1")
    journal.dot(ONE)
    journal.dot(TWO)
    journal.answered(TWO, 250, "2.0.0 größe")
    journal.flush()
    past = Journal(tmp_path / "w1").past  # the first was killed: never closed
    assert past.open == {ONE}
    assert past.answered == {TWO: (250, "2.0.0 größe")}


def test_a_torn_last_record_is_ignored(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1")
    journal.dot(ONE)
    journal.dot(TWO)
    journal.answered(ONE, 250, "accepted")
    journal.flush()
    raw = (tmp_path / "w1").read_bytes()
    for cut in range(len(raw)):
        past = replay(raw[:cut])
        assert past.open <= {ONE, TWO}
        assert past.answered in ({}, {ONE: (250, "accepted")})
    assert replay(raw[:-1]).answered == {}
    assert replay(raw[:-1]).open == {ONE, TWO}


def test_garbage_ends_the_reading() -> None:
    assert replay(b"\xff" * 100).open == set()


def test_rotation_keeps_open_dots_and_forgets_settled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mta.workers.journal.ROTATE_BYTES", 100)
    journal = Journal(tmp_path / "w1")
    for number in range(50):
        message_id = number.to_bytes(9, "big")
        journal.dot(message_id)
        journal.answered(message_id, 250, "ok")
        journal.settled([message_id])
    journal.dot(THREE)
    journal.settled([])
    assert (tmp_path / "w1").stat().st_size < 200
    assert Journal(tmp_path / "w1").past.open == {THREE}


def test_a_settled_journal_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1")
    journal.dot(ONE)
    journal.settled([ONE])
    journal.close()
    assert not (tmp_path / "w1").exists()
