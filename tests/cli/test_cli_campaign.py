"""`mta campaign`: from two files to the last final event, and what is told on the way."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from mta.cli import campaign_submit


def submit(mta, files: tuple[Path, Path], *words: str, code: int = 0):
    return mta("campaign", "submit", "--file", files[0], "--recipients", files[1], *words, code=code)


def test_a_campaign_is_submitted_followed_and_reported(mta, engine, mailing, lines) -> None:
    files = mailing(people=25, rows="q@reject.example,u-q,Q\nnot an address,u-x,X\n", rate="100000/h")
    said = submit(mta, files, "--batch", "10", "--follow", "--json")
    summary, *progress = lines(said)
    assert summary == {
        "tenant": "acme", "campaign": "spring", "gate": "", "people": 27, "entries": 3, "accepted": 26,
        "refused": 1, "answered": True,
    }  # fmt: skip
    assert (progress[-1]["delivered"], progress[-1]["bounced"], progress[-1]["queued"]) == (25, 1, 0)
    assert "row 6" in said.stderr

    shown = json.loads(mta("campaign", "show", "acme", "spring", "--json").stdout)
    assert (shown["class"], shown["complete"], shown["totals"]["delivered"]) == ("bulk", True, 25)
    assert shown["document"]["subject"] == "Hi {{first|you}}"
    listed = json.loads(mta("campaign", "list", "--json").stdout)
    assert [(one["tenant"], one["campaign"], one["totals"]["bounced"]) for one in listed] == [
        ("acme", "spring", 1)
    ]
    assert "spring" in mta("campaign", "list", "--tenant", "acme").stdout
    assert "spring" not in mta("campaign", "list", "--tenant", "other").stdout

    report = reported(mta, "spring", accepted=26, delivered=25)
    assert report["report"]["bounces"] == {"recipient_unknown": 1}
    assert report["report"]["domains"]["example.net"]["delivered"] == 25
    assert report["live"]["delivered"] == 25
    text = mta("campaign", "report", "acme", "spring").stdout
    assert "example.net" in text
    assert "recipient_unknown" in text


def reported(mta, campaign: str, accepted: int, delivered: int) -> dict:
    """The report, once the keeper has archived all."""
    for _ in range(100):
        found = mta("campaign", "report", "acme", campaign, "--json")
        out = json.loads(found.stdout)
        if (out["report"]["accepted"], out["report"]["totals"].get("delivered")) == (accepted, delivered):
            break
        time.sleep(0.05)
    assert (out["report"]["accepted"], out["report"]["totals"]["delivered"]) == (accepted, delivered)
    return out


def test_a_second_run_sends_nothing_twice(mta, engine, mailing, lines) -> None:
    files = mailing(people=12)
    first = lines(submit(mta, files, "--batch", "5", "--json"))[0]
    again = lines(submit(mta, files, "--batch", "5", "--follow", "--json"))
    assert again[0] == first
    assert again[-1]["accepted"] == 12
    assert again[-1]["delivered"] == 12


def test_another_batch_size_is_refused_and_not_sent_twice(mta, idle_engine, mailing) -> None:
    files = mailing(people=12)
    submit(mta, files, "--batch", "5")
    said = submit(mta, files, "--batch", "6", code=65)
    assert "entry spring.1 is refused (key_conflict)" in said.stderr
    assert json.loads(mta("campaign", "show", "acme", "spring", "--json").stdout)["totals"]["accepted"] == 12


def test_two_campaigns_are_compared(mta, engine, mailing) -> None:
    for name, people in (("spring", 4), ("winter", 2)):
        submit(mta, mailing(name, people, "q@reject.example,,\n"), "--follow", "--json")
        reported(mta, name, people + 1, people)
    out = json.loads(mta("campaign", "report", "acme", "spring", "--compare", "winter", "--json").stdout)
    assert out["rates"]["delivered"] == [4 / 5, 2 / 3]
    assert "winter" in mta("campaign", "report", "acme", "spring", "--compare", "winter").stdout
    assert "no events of campaign autumn" in mta("campaign", "report", "acme", "autumn", code=66).stderr


def test_a_bad_template_is_refused_before_anybody_is_sent(mta, engine, mailing, redis) -> None:
    said = submit(mta, mailing(text="Hello {{first"), code=65)
    assert "refused (bad_template)" in said.stderr
    # Counted ever, not now: the event leaves before the entry is acknowledged and deleted.
    assert redis("XINFO STREAM", "mta:submit:bulk")["entries-added"] == 1
    assert "acme has no campaign spring" in mta("campaign", "show", "acme", "spring", code=66).stderr


def test_people_are_read_from_standard_input_and_the_bar_is_drawn(mta, engine, mailing) -> None:
    file, people = mailing(people=3)
    said = mta(
        "campaign", "submit", "--file", file, "--recipients", "-", "--follow", stdin=people.read_text()
    )
    assert said.stdout == "submitted 3 people in 1 entries: 3 accepted, 0 refused\n"
    assert "3/3" in said.stderr


@pytest.mark.parametrize("rows, says", [("a@b.example,\xff\n", "is not UTF-8"), ('"a\n', "is not CSV")])
def test_a_broken_file_does_not_close_the_campaign(mta, engine, mailing, lines, rows: str, says: str) -> None:
    file, people = mailing(people=4)
    people.write_bytes(people.read_bytes() + rows.encode("latin-1"))
    assert says in submit(mta, (file, people), "--batch", "2", code=65).stderr
    mailing(people=4)
    assert lines(submit(mta, (file, people), "--batch", "2", "--json"))[0]["accepted"] == 4


def test_files_that_are_not_there(mta, mailing, tmp_path: Path) -> None:
    file, people = mailing()
    assert "No such file" in submit(mta, (tmp_path / "x.json", people), code=66).stderr
    assert "x.csv" in submit(mta, (file, tmp_path / "x.csv"), code=66).stderr
    assert "is not a file" in submit(mta, (file, tmp_path), code=64).stderr


def test_it_waits_while_the_engine_accepts_nothing(mta, mailing, redis, lines, monkeypatch) -> None:
    monkeypatch.setattr(campaign_submit, "ANSWER_SECONDS", 0.05)
    redis("HSET", "mta:status", "accepting", 0, "why", "Redis uses 90 % of its memory")
    entries = []

    async def pause(seconds: float) -> None:
        entries.append(await asyncio.to_thread(redis, "XLEN", "mta:submit:bulk"))
        if len(entries) == 3:
            await asyncio.to_thread(redis, "HSET", "mta:status", "accepting", 1)

    monkeypatch.setattr(campaign_submit.asyncio, "sleep", pause)
    said = submit(mta, mailing(), "--json")
    assert entries == [0, 0, 0]
    assert said.stderr.count("waiting: Redis uses 90 % of its memory") == 1
    # Without an engine the entries wait in the stream: the campaign, then its people.
    assert redis("XLEN", "mta:submit:bulk") == 2
    assert "nobody answered" in said.stderr
    assert lines(said)[0] | {"people": 5, "entries": 1, "answered": False} == lines(said)[0]


def test_a_campaign_is_suspended_resumed_and_purged(mta, idle_engine, mailing, lines) -> None:
    submit(mta, mailing(people=7))
    words = ("acme", "spring", "--by", "jo")
    assert mta("campaign", "suspend", *words, "--reason", "wrong price", "--for", "2h").stdout == (
        "campaign spring is suspended for 2h\n"
    )
    shown = json.loads(mta("campaign", "show", "acme", "spring", "--json").stdout)
    assert shown["gate"] == "suspended: wrong price"
    assert "suspended: wrong price" in mta("campaign", "list").stdout
    assert mta("campaign", "resume", *words).stdout == "campaign spring goes on\n"
    assert "nothing changed" in mta("campaign", "resume", *words).stdout
    answer = lines(mta("campaign", "purge", *words, "--json"))[0]
    assert (answer["event"], answer["count"]) == ("accepted", "7")
    shown = json.loads(mta("campaign", "show", "acme", "spring", "--json").stdout)
    assert (shown["gate"], shown["totals"]["purged"]) == ("", 7)


def test_a_held_campaign_says_so_and_is_released(mta, engine, mailing) -> None:
    said = submit(mta, mailing(hold=True))
    assert "nothing is sent yet: held" in said.stderr
    assert mta("campaign", "release", "acme", "spring").stdout == "campaign spring is released\n"
    assert json.loads(mta("campaign", "show", "acme", "spring", "--json").stdout)["gate"] == ""


def test_an_order_about_an_unknown_campaign_is_refused(mta, engine) -> None:
    assert "refused (unknown_campaign)" in mta("campaign", "suspend", "acme", "autumn", code=65).stderr
    assert (
        "refused (bad_duration)" in mta("campaign", "suspend", "acme", "x", "--for", "long", code=65).stderr
    )
