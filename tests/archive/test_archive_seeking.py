"""The events of one message are found in the daily files, newest day first, within a bound."""

from pathlib import Path

from mta.archive.archive import Archive
from mta.archive.seeking import READ_BYTES, seek
from mta.event import event

DAY = 86_400_000
START = 1_790_000_000_000


def fill(folder: Path, days: int = 3, each: int = 50) -> None:
    archive = Archive(folder)
    archive.add_events(
        [
            event(
                "delivered",
                f"{day}/{n}",
                START + day * DAY + n,
                id=f"m{n}",
                rcpt=f"u{n}@x.example",
                reply='a "b"',
            )
            for day in range(days)
            for n in range(each)
        ]
    )
    archive.close()


def test_seek_finds_one_messages_events_oldest_first(tmp_path: Path) -> None:
    fill(tmp_path)
    found = seek(tmp_path, "id", "m7")
    assert [one["eid"] for one in found.events] == ["0/7", "1/7", "2/7"]
    assert (found.days, found.complete) == (3, True)
    assert [one["eid"] for one in seek(tmp_path, "rcpt", "u7@x.example", since_ms=START + DAY).events] == [
        "1/7", "2/7"
    ]  # fmt: skip


def test_seek_needs_the_whole_value_and_the_field(tmp_path: Path) -> None:
    fill(tmp_path)
    assert seek(tmp_path, "id", "m").events == []
    assert seek(tmp_path, "rcpt", "m7").events == []
    assert seek(tmp_path / "nowhere", "id", "m7").days == 0


def test_seek_tells_a_repeat_once_and_passes_over_a_torn_line(tmp_path: Path) -> None:
    fill(tmp_path, days=1)
    path = next(tmp_path.glob("events-*.ndjson"))
    line = next(one for one in path.read_bytes().splitlines() if b'"m7"' in one)
    with path.open("ab") as file:
        file.write(line + b"\n" + line[: len(line) // 2 + 20])
    assert [one["eid"] for one in seek(tmp_path, "id", "m7").events] == ["0/7"]


def test_seek_keeps_to_its_bounds(tmp_path: Path) -> None:
    fill(tmp_path)
    read: list[int] = []
    found = seek(tmp_path, "id", "m7", most_bytes=10, tell=read.append)
    assert [one["eid"] for one in found.events] == ["2/7"]
    assert not found.complete
    assert len(read) == 1
    assert not seek(tmp_path, "id", "m7", most=2).complete


def test_seek_across_the_ends_of_its_reads(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    text = "x" * 50_000
    count = READ_BYTES // 50_000 + 5
    archive.add_events([event("delivered", str(n), START, id=f"m{n}", reply=text) for n in range(count)])
    archive.close()
    for n in range(count - 10, count):
        assert len(seek(tmp_path, "id", f"m{n}").events) == 1
