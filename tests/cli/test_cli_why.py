"""`mta why`: one plain sentence, details, and the same as JSON; nothing found is said, and what was looked through."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mta.archive.archive import Archive
from mta.cli.main import main
from mta.event import event
from mta.identity import message_id

ONE, TWO = (f"{message_id('acme', key)}.0" for key in ("k1", "k2"))

MAIL = (
    "send",
    "--from",
    "me@acme.example",
    "--subject",
    "Hello",
    "--text",
    "Hi",
    "--tenant",
    "acme",
    "--key",
)


def asked(mta: Any, *words: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(mta("why", *words, "--json", code=code).stdout)
    return found


@pytest.fixture
def known(config: Path) -> Callable[[str], dict[str, Any]]:
    """Asks until something is known, and returns the first answer."""

    def ask(target: str) -> dict[str, Any]:
        while True:
            result = CliRunner().invoke(main, ["why", target, "--json", "-c", str(config)])
            told = json.loads(result.stdout)["messages"]
            if told and told[0]["state"] != "unknown":
                return dict(told[0])

    return ask


def test_why_a_message_and_a_recipient_wait(mta, idle_engine, known) -> None:
    mta(*MAIL, "k1", "--to", "jo@example.net")
    mta(*MAIL, "k2", "--to", "jo@example.net")
    told = known(TWO)
    assert (told["state"], told["reason"], told["ahead"]) == ("waiting", "turn", 1)
    assert (told["id"], told["tenant"], told["rcpt"], told["class"]) == (
        TWO, "acme", "jo@example.net", "transactional"
    )  # fmt: skip
    both = asked(mta, "jo@EXAMPLE.net")
    assert [one["id"] for one in both["messages"]] == [ONE, TWO]
    assert both["complete"]
    text = mta("why", ONE).stdout
    assert text.startswith(f"next in turn; within a second\n  message: {ONE} of acme\n  to: jo@example.net\n")
    assert "path default|example.net" in text


def test_why_a_campaign_is_held_and_the_whole_of_it(mta, idle_engine, mailing, known) -> None:
    file, csv = mailing("spring", 6)
    mta("campaign", "submit", "--file", file, "--recipients", csv)
    mta("campaign", "suspend", "acme", "spring", "--reason", "wrong price", "--by", "ops")
    known("p0@example.net")
    told = asked(mta, "p0@example.net")["messages"][0]
    assert told["reason"] == "suspended"
    assert told["text"].startswith("campaign acme/spring is suspended by ops (wrong price)")
    assert told["closed"][0]["reason"] == "wrong price"
    by_name = asked(mta, told["id"])["messages"][0]
    assert (by_name["text"], by_name["rcpt"]) == (told["text"], "p0@example.net")
    whole = asked(mta, "--campaign", "acme/spring")
    assert (whole["count"], whole["exact"]) == (6, True)
    assert whole["text"] == "100 % are kept by a suspended scope"
    assert "100 %" in mta("why", "--campaign", "acme/spring").stdout
    assert asked(mta, "--site", "example.net")["count"] == 6
    assert asked(mta, "--site", "elsewhere.example")["text"] == "nothing waits"


def test_why_it_is_finished_says_the_stream_and_later_the_archive(mta, engine, state, redis, known) -> None:
    mta(*MAIL, "k1", "--to", "jo@reject.example")
    told = known(ONE)
    while told["state"] != "finished":
        told = known(ONE)
    assert told["reason"] == "bounced"
    old = Archive(state / "archive")
    old.add_events([event("delivered", "e1", 1_790_000_000_000, id="old.0", tenant="acme", rcpt="o@x.example",
                          code=250, reply="ok")])  # fmt: skip
    old.close()
    found = asked(mta, "old.0")["messages"][0]
    assert found["text"] == "finished: delivered, 14:13:20 UTC: 250 ok"
    assert asked(mta, "o@x.example")["messages"][0]["id"] == "old.0"


def test_why_nothing_is_known(mta, idle_engine) -> None:
    result = mta("why", "no-such.0", code=66)
    assert "nothing is known of no-such.0" in result.stderr
    assert "lanes" in result.stderr
    assert "nothing is known of a@b.example" in mta("why", "a@b.example", code=66).stderr


def test_why_bad_words_get_a_cure(mta) -> None:
    assert "is no address" in mta("why", "a@@b", code=64).stderr
    assert "neither a message id nor an address" in mta("why", "a b", code=64).stderr
    assert "write acme/spring-26" in mta("why", "--campaign", "spring", code=64).stderr
    assert "name one message id or recipient" in mta("why", code=64).stderr
    assert "name one message id or recipient" in mta("why", "m.0", "--site", "x.example", code=64).stderr
