"""The sent journal: what a killed worker's next life is told."""

import os
from pathlib import Path

import pytest

from mta.workers.journal import Journal, replay

ONE, TWO, THREE = (bytes([n]) * 9 for n in (1, 2, 3))


def test_what_was_open_and_what_was_answered_is_told_to_the_next_life(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1")
    journal.dot(ONE)
    journal.dot(TWO)
    journal.answered(TWO, 250, "2.0.0 größe")
    past = Journal(tmp_path / "w1").past  # the first was killed: never closed
    assert past.open == {ONE}
    assert past.answered == {TWO: (250, "2.0.0 größe")}


def test_a_record_cut_short_is_not_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1", size=4096)
    journal.dot(ONE)
    journal.dot(TWO)
    journal.answered(ONE, 250, "accepted")
    raw = (tmp_path / "w1").read_bytes()
    end = len(raw.rstrip(b"\0"))
    whole = replay(raw)
    assert (whole.open, whole.answered) == ({TWO}, {ONE: (250, "accepted")})
    for cut in range(end):
        past = replay(raw[:cut])
        assert past.open <= {ONE, TWO}
        assert set(past.answered) <= {ONE}
    # A kill in the middle of a note leaves its first byte unwritten.
    last = raw.rindex(b"V" + ONE)
    half = raw[:last] + b"\0" + raw[last + 1 :]
    assert replay(half).answered == {}
    assert replay(half).open == {ONE, TWO}


def test_garbage_ends_the_reading() -> None:
    assert replay(b"\xff" * 100).open == set()


def test_a_full_journal_begins_anew_with_its_open_dots(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1", size=2048)
    journal.dot(THREE)
    for number in range(500):
        message_id = (number + 100).to_bytes(9, "big")
        journal.dot(message_id)
        journal.answered(message_id, 250, "ok")
        journal.settled([message_id])
    assert (tmp_path / "w1").stat().st_size < 8192
    assert THREE in Journal(tmp_path / "w1").past.open


def test_a_second_life_that_dies_at_once_forgets_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1")
    journal.dot(ONE)
    Journal(tmp_path / "w1")
    assert Journal(tmp_path / "w1").past.open == {ONE}


def test_a_settled_journal_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w1")
    journal.dot(ONE)
    journal.settled([ONE])
    journal.close()
    assert not (tmp_path / "w1").exists()


def test_journals_of_one_host_keep_out_of_each_others_way(tmp_path: Path) -> None:
    first, second = Journal(tmp_path / "host.w1", size=2048), Journal(tmp_path / "host.w2", size=2048)
    names: set[Path] = set()
    replace = os.replace

    def seen(source: Path, target: Path) -> None:
        names.add(source)
        replace(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mta.workers.journal.os.replace", seen)
        for journal, message_id in ((first, ONE), (second, TWO)):
            for _ in range(300):
                journal.dot(message_id)
    assert len(names) == 2, "each begins its new file under a name of its own"
    assert Journal(tmp_path / "host.w1").past.open == {ONE}
    assert Journal(tmp_path / "host.w2").past.open == {TWO}
