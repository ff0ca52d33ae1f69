"""Events by day: appended whole, synced, torn lines skipped."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.archive.archive import Archive
from mta.event import event

DAY = 86_400_000
T0 = 20_000 * DAY


def told(n: int, day: int = 0, **fields: str) -> dict[str, str]:
    return event(fields.pop("kind", "delivered"), f"e-{n}", T0 + day * DAY + n, tenant="acme", **fields)


def file_of(folder: Path) -> Path:
    (path,) = folder.glob("events-*.ndjson")
    return path


def test_events_come_back_in_order_of_days(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add_events([told(3, day=2), told(1), told(2, day=1)])
    archive.sync()
    assert [one["eid"] for one in archive.events()] == ["e-1", "e-2", "e-3"]
    assert [one["eid"] for one in archive.events(T0 + DAY, T0 + 2 * DAY)] == ["e-2"]
    assert list(archive.events(T0 + 1, T0 + 1)) == []
    archive.close()


def test_predicates(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add_events(
        [
            told(1, kind="opened", campaign='a"b'),
            told(2, kind="clicked", campaign="c", why='"event":"opened"'),
            told(3, kind="bounced"),
        ]
    )
    assert [e["eid"] for e in archive.events(event="opened")] == ["e-1"]
    assert [e["eid"] for e in archive.events(campaign='a"b')] == ["e-1"]
    assert [e["eid"] for e in archive.events(campaign="")] == ["e-3"]
    assert [e["eid"] for e in archive.events(event=frozenset({"clicked", "bounced"}))] == ["e-2", "e-3"]
    assert list(archive.events(tenant="other")) == []
    archive.close()


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), max_size=10), st.data()
)
@settings(max_examples=60, deadline=None)
def test_a_file_cut_anywhere_loses_only_the_line_it_cuts(
    tmp_path_factory: pytest.TempPathFactory, fields: list[dict[str, str]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    batch = [one | told(n) for n, one in enumerate(fields)]
    archive = Archive(folder)
    archive.add_events([*batch, told(1000)])
    archive.sync()
    path = file_of(folder)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    os.truncate(path, cut)
    lines = whole[:cut].count(b"\n")
    # A cut just before a line's end leaves the whole event.
    readable = [*batch, told(1000)][: lines + (whole[cut : cut + 1] == b"\n")]
    assert list(archive.events()) == readable
    archive.add_events([told(2000)])
    assert list(archive.events()) == [*readable, told(2000)]
    archive.close()


def test_a_batch_is_one_write_and_sync_reaches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    write, fsync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda fd, data: calls.append("write") or write(fd, data))
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("fsync") or fsync(fd))
    archive = Archive(tmp_path)
    archive.add_events([told(n) for n in range(500)])
    assert calls == ["fsync", "write"]  # the folder of a new file, then one write
    archive.sync()
    assert calls == ["fsync", "write", "fsync"]
    archive.add_events([told(1)])
    archive.sync()
    assert calls[3:] == ["write", "fsync"]


def test_a_short_write_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    archive = Archive(tmp_path)
    archive.add_events([told(1), told(2)])
    archive.sync()
    assert [one["eid"] for one in archive.events()] == ["e-1", "e-2"]


def test_an_event_without_a_time_is_kept_but_not_in_any_span(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add_events([{"event": "odd"}])
    archive.sync()
    assert b'{"event":"odd"}\n' in file_of(tmp_path).read_bytes()
    assert list(archive.events()) == []


def test_old_days_of_events_go(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add_events([told(n, day=n) for n in range(4)])
    archive.sync()
    assert archive.prune((T0 + 3 * DAY) / 1000, 86400, 86400) == 2
    assert [one["eid"] for one in archive.events()] == ["e-2", "e-3"]
