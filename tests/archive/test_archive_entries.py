"""Accepted entries: kept by day, found by number, readable while another process writes."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mta.archive import entries as module
from mta.archive.archive import Archive, Entry
from mta.archive.entries import Entries

DAY = 86_400_000
T0 = 20_000 * DAY


def entry(seq: int, *, day: int = 0, data: bytes = b"{}", kind: str = "recipients") -> Entry:
    return Entry(seq, T0 + day * DAY + seq, 2, kind, "acme", f"k-{seq}", "spring", data)


def test_an_entry_comes_back_as_it_was_put(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    one = entry(7, data=b'{"a": "\xc3\xa9"}' * 1000)
    archive.add_entries([one])
    assert archive.entry(7) == one
    assert archive.entry(8) is None
    archive.close()
    again = Archive(tmp_path)
    assert again.entry(7) == one
    again.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.integers(1, 2**48 - 1), st.tuples(st.integers(0, 5), st.binary(max_size=200)), max_size=20
    )
)
def test_whatever_days_they_fall_on_all_are_found(
    tmp_path_factory: object, found: dict[int, tuple[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("a")  # type: ignore[attr-defined]
    written = [
        Entry(seq, T0 + day * DAY, 0, "message", "t", "k", "", data) for seq, (day, data) in found.items()
    ]
    entries = Entries(folder)
    entries.add(written)
    entries.add(written[:3])  # a repeat changes nothing
    for one in written:
        assert entries.get(one.seq) == one
    entries.close()
    assert len(list(folder.glob("*.sqlite3"))) == len({day for day, _ in found.values()})


def test_a_repeat_replaces_even_what_was_just_read(tmp_path: Path) -> None:
    entries = Entries(tmp_path)
    entries.add([entry(1, data=b"old")])
    assert entries.get(1) is not None
    entries.add([entry(1, data=b"new")])
    found = entries.get(1)
    assert found is not None
    assert found.data == b"new"
    entries.close()


def test_a_reader_of_another_process_sees_each_write_and_each_new_day(tmp_path: Path) -> None:
    writer, program = (
        Archive(tmp_path),
        "\n".join(
            [
                "import sys; from pathlib import Path; from mta.archive.archive import Archive",
                "archive = Archive(Path(sys.argv[1]))",
                "for line in sys.stdin:",
                "    found = archive.entry(int(line))",
                "    print(found.data.decode() if found else '-', flush=True)",
            ]
        ),
    )
    writer.add_entries([entry(1, data=b"one")])
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdin
        assert reader.stdout

        def ask(seq: int) -> str:
            assert reader.stdin
            assert reader.stdout
            reader.stdin.write(f"{seq}\n")
            reader.stdin.flush()
            return reader.stdout.readline().strip()

        assert ask(1) == "one"
        assert ask(2) == "-"
        writer.add_entries([entry(2, data=b"two"), entry(3, day=1, data=b"three")])
        assert ask(2) == "two"
        assert ask(3) == "three"
        assert writer.prune((T0 + 40 * DAY) / 1000, 30 * 86400, 400 * 86400) == 2
        assert ask(9) == "-"
        reader.stdin.close()
        assert reader.wait(10) == 0
    writer.close()


def test_readers_in_threads_and_a_writer_do_not_disturb_each_other(tmp_path: Path) -> None:
    entries = Entries(tmp_path)
    entries.add([entry(seq) for seq in range(20)])
    faults: list[BaseException] = []

    def look() -> None:
        try:
            for seq in range(20):
                assert (
                    Entries(tmp_path).get(seq) is not None if seq % 7 == 0 else entries.get(seq) is not None
                )
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for seq in range(20, 60):
        entries.add([entry(seq, day=seq % 3)])
    for thread in threads:
        thread.join()
    assert faults == []
    entries.close()


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: object) -> None:
    monkeypatch.setattr(module, "CACHE_BYTES", 2500)  # type: ignore[attr-defined]
    entries = Entries(tmp_path)
    entries.add([entry(seq, data=b"x" * 1000) for seq in range(10)])
    for seq in [*range(10), *range(10)]:
        found = entries.get(seq)
        assert found is not None
        assert found.seq == seq
        assert len(entries._kept) <= 2
    entries.close()


def test_open_files_are_bounded(tmp_path: Path, monkeypatch: object) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 3)  # type: ignore[attr-defined]
    entries = Entries(tmp_path)
    entries.add([entry(seq, day=seq) for seq in range(8)])
    assert all(entries.get(seq) for seq in range(8))
    assert len(entries._files) <= 3
    entries.add([entry(100, day=0)])  # a day opened for look-ups takes writes again
    assert entries.get(100)
    entries.close()


def test_old_days_go_and_nothing_else(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add_entries([entry(day, day=day) for day in range(5)])
    (tmp_path / "entries-of-mine.txt").write_text("keep")
    assert archive.prune((T0 + 4 * DAY) / 1000, 2 * 86400, 86400) == 2
    assert [archive.entry(seq) is not None for seq in range(5)] == [False, False, True, True, True]
    assert (tmp_path / "entries-of-mine.txt").exists()
    archive.close()


def test_found_by_key_and_by_campaign(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    old = entry(1, kind="campaign", data=b"old")
    new = Entry(2, T0 + DAY, 2, "campaign", "acme", "k-2", "spring", b"new")
    archive.add_entries([old, new, entry(3)])
    assert archive.campaign("acme", "spring") == new
    assert archive.campaign("other", "spring") is None
    assert archive.entry_by_key("acme", "k-1") == old
    archive.close()


def test_each_commit_is_synced(tmp_path: Path) -> None:
    entries = Entries(tmp_path)
    entries.add([entry(1)])
    (connection,) = entries._files.values()
    assert connection.execute("pragma synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    entries.close()
    (path,) = tmp_path.glob("*.sqlite3")
    plain = sqlite3.connect(path)
    assert plain.execute("select tenant, kind from entry").fetchall() == [("acme", "recipients")]
    plain.close()


def test_a_file_that_is_only_being_made_holds_nothing_yet(tmp_path: Path) -> None:
    entries = Entries(tmp_path)
    (tmp_path / "entries-2026-01-01.sqlite3").touch()
    assert entries.get(1) is None
    entries.close()
