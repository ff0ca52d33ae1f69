"""`mta campaign review`: hold, list, show, approve and reject, as an operator goes about it."""

import json
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest


def submit(mta, files: tuple[Path, Path], *words: str):
    return mta("campaign", "submit", "--file", files[0], "--recipients", files[1], *words)


def shown(mta, campaign: str = "spring", *words: str) -> dict[str, Any]:
    return json.loads(mta("campaign", "review", "show", "acme", campaign, *words, "--json").stdout)


def totals(mta, campaign: str = "spring") -> dict[str, int]:
    return json.loads(mta("campaign", "show", "acme", campaign, "--json").stdout)["totals"]


def until(mta, name: str, count: int, campaign: str = "spring") -> None:
    ends = time.monotonic() + 20
    while totals(mta, campaign).get(name, 0) != count:
        assert time.monotonic() < ends, totals(mta, campaign)
        time.sleep(0.05)


def log(mta, what: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in mta("audit", "--what", what, "--json").stdout.splitlines()]


def test_a_held_campaign_is_listed_shown_approved_and_sent(mta, engine, mailing, tmp_path: Path) -> None:
    html = (
        "<p>Hello {{first|you}} <a href='https://x.example/'>go</a> <a href='{{unsubscribe_url}}'>leave</a>"
    )
    files = mailing(people=80, hold=True, html=html, track={"opens": True, "clicks": True})
    assert "nothing is sent yet: held: the campaign asked for it" in submit(mta, files).stderr
    (waits,) = json.loads(mta("campaign", "review", "list", "--json").stdout)
    assert (waits["tenant"], waits["campaign"], waits["state"]) == ("acme", "spring", "held")
    assert (waits["recipients"], waits["queued"], waits["why"]) == (80, 80, "the campaign asked for it")
    assert "spring" in mta("campaign", "review", "list").stdout

    said = shown(mta, "spring", "-k", "4", "--out", str(tmp_path / "look"))
    assert (said["state"], said["recipients"]) == ("held", 80)
    assert "no DKIM key" in said["unsigned"]
    assert any(one["code"] for one in said["findings"])
    assert len(said["samples"]) == 4
    assert shown(mta, "spring", "-k", "4")["samples"][0]["rcpt"] == said["samples"][0]["rcpt"]
    others = {
        one["rcpt"] for seed in range(2, 6) for one in shown(mta, "spring", "--seed", str(seed))["samples"]
    }
    assert others - {one["rcpt"] for one in said["samples"]}
    for sample in said["samples"]:
        number = sample["rcpt"].partition("@")[0][1:]
        assert sample["subject"] == f"Hi Person {number}"
        assert f"Hello Person {number}" in sample["text"]
        assert "/c/" in sample["html"]
        assert any(name == "List-Unsubscribe" for name, _ in sample["headers"])
        written = (tmp_path / "look" / f"{sample['id']}.eml").read_bytes()
        assert message_from_bytes(written, policy=policy.default)["To"] == sample["rcpt"]
        assert (tmp_path / "look" / f"{sample['id']}.html").read_bytes().decode() == sample["html"]
    text = mta("campaign", "review", "show", "acme", "spring").stdout
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in text
    read = {one["detail"]["message"] for one in log(mta, "sample.read")}
    assert {one["id"] for one in said["samples"]} <= read

    assert totals(mta)["queued"] == 80, "to look sends nothing"
    assert "is released" in mta("campaign", "review", "approve", "acme", "spring", "--reason", "fine").stdout
    until(mta, "delivered", 80)
    assert json.loads(mta("campaign", "review", "list", "--json").stdout) == []
    decided = json.loads(mta("campaign", "show", "acme", "spring", "--json").stdout)["decision"]
    assert decided.startswith("approved by ")
    assert decided.endswith(": fine")
    given, done = log(mta, "campaign.release")
    assert (given["detail"]["reason"], done["detail"]["by"]) == ("fine", given["who"])


def test_who_comes_second_is_told_who_was_first(mta, idle_engine, mailing) -> None:
    submit(mta, mailing(people=3, hold=True))
    mta("campaign", "review", "approve", "acme", "spring", "--by", "jo")
    again = mta("campaign", "review", "approve", "acme", "spring", code=65).stderr
    assert "refused (not_held)" in again
    assert "was approved by jo at 20" in again
    assert "was approved by jo" in mta("campaign", "review", "reject", "acme", "spring", code=65).stderr
    assert totals(mta) == {"accepted": 3, "queued": 3}


def test_nobody_gets_a_rejected_campaign_and_the_events_say_so(mta, engine, mailing, lines) -> None:
    submit(mta, mailing(people=70, hold=True))
    said = mta("campaign", "review", "reject", "acme", "spring", "--reason", "no opt-in", "--by", "jo").stdout
    assert "70 messages dropped" in said
    until(mta, "purged", 70)
    found = lines(mta("events", "tail", "--campaign", "spring", "-n", "1000", "--json"))
    purged = [one for one in found if one["event"] == "purged"]
    assert sum(int(one["count"]) for one in purged) == 70
    assert {(one["reason"], one["by"]) for one in purged} == {("no opt-in", "jo")}
    assert not [one for one in found if one["event"] == "delivered"]
    again = mta("campaign", "review", "approve", "acme", "spring", code=65).stderr
    assert "was rejected by jo at 20" in again
    assert totals(mta) == {"accepted": 70, "purged": 70, "queued": 0}


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_what_is_gone_can_not_be_decided(mta, engine, mailing, word: str) -> None:
    unknown = mta("campaign", "review", word, "acme", "winter", code=65).stderr
    assert "is not a campaign of tenant acme" in unknown
    submit(mta, mailing("done", people=2))
    until(mta, "delivered", 2, "done")
    assert "campaign done is finished" in mta("campaign", "review", word, "acme", "done", code=65).stderr
    submit(mta, mailing("gone", people=2, hold=True))
    mta("campaign", "purge", "acme", "gone")
    assert "campaign gone was purged" in mta("campaign", "review", word, "acme", "gone", code=65).stderr
    assert json.loads(mta("campaign", "review", "list", "--json").stdout) == []
    assert shown(mta, "gone")["samples"] == []
    assert "no campaign winter" in mta("campaign", "review", "show", "acme", "winter", code=66).stderr


def test_a_campaign_that_runs_can_be_held_and_suspended_and_is_held_still(mta, idle_engine, mailing) -> None:
    submit(mta, mailing(people=3))
    assert "is held" in mta("campaign", "hold", "acme", "spring", "--reason", "a second look").stdout
    assert "was held before" in mta("campaign", "hold", "acme", "spring").stdout
    mta("campaign", "suspend", "acme", "spring")
    (waits,) = json.loads(mta("campaign", "review", "list", "--json").stdout)
    assert waits["why"] == "a second look"
    mta("campaign", "resume", "acme", "spring")
    assert "held: a second look" in mta("campaign", "list", "--json").stdout
    mta("campaign", "suspend", "acme", "spring", "--reason", "lunch")
    mta("campaign", "review", "approve", "acme", "spring")
    assert "suspended: lunch" in mta("campaign", "list", "--json").stdout
    mta("campaign", "resume", "acme", "spring")
    assert json.loads(mta("campaign", "list", "--json").stdout)[0]["gate"] == ""


def test_a_canary_is_shown_by_site(mta, engine, mailing) -> None:
    rows = "".join(f"q{n}@example.org,v-{n},Q {n}\n" for n in range(100))
    submit(mta, mailing(people=100, rows=rows, canary={"share": 0.2, "wait": "1h", "least": 5}))
    first = shown(mta)["canary"]["drawn"]
    until(mta, "delivered", first)
    ends = time.monotonic() + 20
    while (said := shown(mta)["canary"])["counts"]["delivered"] != first:
        assert time.monotonic() < ends, said
        time.sleep(0.05)
    assert 15 < first < 80
    assert set(said["sites"]) == {"example.net", "example.org"}
    assert said["phase"] == "running"
    assert "example.org" in mta("campaign", "show", "acme", "spring").stdout
    (waits,) = json.loads(mta("campaign", "review", "list", "--json").stdout)
    assert (waits["state"], waits["queued"]) == ("canary", 200 - first)
    mta("campaign", "review", "approve", "acme", "spring", "--reason", "looks well")
    until(mta, "delivered", 200)
