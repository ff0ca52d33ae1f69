"""Review and canary as an operator drives them: `mta run` in processes of its own, the commands, a receiver."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mta.cli.main import main

WAIT = 40.0
COLUMNS = ["email", "first", "ref"]


class Operator:
    """Somebody at the command line of a running engine."""

    def __init__(self, running: Any) -> None:
        self.running = running
        self.config = str(running.rig.root / "mta.toml")

    def says(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, [*words, "-c", self.config])
        assert result.exit_code == code, f"{words}: {result.output}"
        return result.output

    def sees(self, *words: str) -> Any:
        return json.loads(self.says(*words, "--json"))

    def waits_for(self, campaign: str, name: str, count: int) -> None:
        ends = time.monotonic() + WAIT
        while True:
            words = ["campaign", "show", "t0", campaign, "--json", "-c", self.config]
            result = CliRunner().invoke(main, words)
            # Until its entry has been taken in nobody knows it.
            found = json.loads(result.output)["totals"] if result.exit_code == 0 else {}
            if found.get(name, 0) >= count:
                return
            assert time.monotonic() < ends, (
                f"{campaign}: {found} {result.output}\n{self.running.rig.log_tail()}"
            )
            time.sleep(0.1)

    def event(self, kind: str, campaign: str) -> dict[str, str]:
        ends = time.monotonic() + WAIT
        while True:
            for one in self.running.events(kind):
                if one.get("campaign") == campaign:
                    return one  # type: ignore[no-any-return]
            assert time.monotonic() < ends, f"no {kind} of {campaign}\n{self.running.rig.log_tail()}"
            time.sleep(0.1)

    def told(self, campaign: str, *kinds: str) -> list[dict[str, str]]:
        return [
            one for one in self.running.events() if one.get("campaign") == campaign and one["event"] in kinds
        ]


def rows(count: int, *domains: str) -> list[list[str]]:
    return [[f"u{n}@{domains[n % len(domains)]}.example.test", f"Jo {n}", f"r{n}"] for n in range(count)]


@pytest.fixture
def operator(engine: Callable[..., Any], tmp_path: Path) -> Operator:
    """An engine whose mail to d1 is refused for good, and somebody who drives it."""
    domains = tmp_path / "domains.json"
    domains.write_text(json.dumps({"d1.example.test": {"perm_share": 1.0}}))
    # The guard would hold the whole tenant for what the bad canary shows.
    return Operator(engine(sink=("--domains", str(domains)), settings={"guard": {"on": False}}))


def test_review_and_canary_through_the_command_line(operator: Operator, tmp_path: Path) -> None:
    running = operator.running

    # Held, listed, looked at, approved, delivered.
    running.campaign(rows(120, "d2", "d3"), COLUMNS, id="held", hold=True)
    operator.waits_for("held", "accepted", 120)
    assert operator.event("held", "held")["reason"] == "the campaign asked for it"
    (waits,) = operator.sees("campaign", "review", "list")
    assert (waits["campaign"], waits["queued"], waits["why"]) == ("held", 120, "the campaign asked for it")
    look = operator.sees("campaign", "review", "show", "t0", "held", "--out", str(tmp_path / "look"))
    assert len(look["samples"]) == 3
    assert look["unsigned"] == ""
    for sample in look["samples"]:
        assert dict(sample["headers"])["DKIM-Signature"].startswith("v=1;")
        assert sample["subject"].startswith("Hi Jo ")
    assert not operator.told("held", "delivered")
    operator.says("campaign", "review", "approve", "t0", "held", "--reason", "looked at three")
    operator.waits_for("held", "delivered", 120)
    assert operator.event("released", "held")["reason"] == "looked at three"
    refused = operator.says("campaign", "review", "approve", "t0", "held", code=65)
    assert "campaign held is finished" in refused or "was approved by" in refused

    # Rejected: nobody gets it.
    running.campaign(rows(90, "d2"), COLUMNS, id="spam", hold=True)
    operator.waits_for("spam", "accepted", 90)
    operator.says("campaign", "review", "reject", "t0", "spam", "--reason", "no opt-in", "--by", "jo")
    finished = operator.event("finished", "spam")
    assert (finished["accepted"], finished["purged"]) == ("90", "90")
    purged = operator.told("spam", "purged")
    assert {(one["reason"], one["by"]) for one in purged} == {("no opt-in", "jo")}
    assert not operator.told("spam", "delivered", "bounced", "deferred")

    # A canary that the receiver refuses: the rest is held, with the reason.
    bad = {"share": 0.2, "then": "go", "wait": "1h", "least": 10}
    running.campaign(rows(300, "d1"), COLUMNS, id="bad", canary=bad)
    held = operator.event("held", "bad")
    assert "bounced" in held["reason"]
    assert "the bound is 5.0%" in held["reason"]
    assert held["by"] == "engine"
    shown = operator.sees("campaign", "show", "t0", "bad")
    assert shown["canary"]["phase"] == "stopped"
    assert shown["canary"]["sites"].keys() == {"d1.example.test"}
    drawn = shown["canary"]["drawn"]
    assert 10 <= drawn < 150
    (waits,) = operator.sees("campaign", "review", "list")
    assert (waits["campaign"], waits["state"]) == ("bad", "held")
    operator.says("campaign", "review", "reject", "t0", "bad", "--reason", "bad list")
    done = operator.event("finished", "bad")
    assert int(done["bounced"]) <= drawn
    assert int(done["bounced"]) + int(done["purged"]) == 300

    # A canary that is well goes on by itself.
    good = {"share": 0.1, "then": "go", "wait": "1s", "least": 5}
    running.campaign(rows(200, "d2", "d3"), COLUMNS, id="good", canary=good)
    released = operator.event("released", "good")
    assert released["by"] == "engine"
    assert "0 bounced" in released["reason"]
    before = [one for one in operator.told("good", "delivered") if int(one["ts"]) < int(released["ts"])]
    operator.waits_for("good", "delivered", 200)
    report = operator.sees("campaign", "show", "t0", "good")["canary"]
    assert report["phase"] == "done"
    assert len(before) <= report["drawn"] < 100, "nobody but the canary went before"
    assert operator.sees("campaign", "review", "list") == []

    # Who did it.
    noted = [json.loads(line) for line in operator.says("audit", "--json").splitlines()]
    acts = [(one["what"], one["subject"]) for one in noted if one["who"] != "t0"]
    assert [what for what, subject in acts if subject == "campaign:t0/held"] == [
        "campaign.hold", "sample.read", "sample.read", "sample.read", "campaign.release", "campaign.release",
    ]  # fmt: skip
    assert ("canary.released", "campaign:t0/good") in acts
    assert ("campaign.hold", "campaign:t0/bad") in acts
