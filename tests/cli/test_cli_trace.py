"""`mta trace`: the story of one message from queue, streams, archive or mail log; an address's messages as a list."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mta.archive.archive import Archive
from mta.cli.loglines import parsed, seek_log
from mta.cli.main import main
from mta.cli.story import steps
from mta.event import event
from mta.identity import message_id
from mta.maillog import MailLog

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
ONE = f"{message_id('acme', 'k1')}.0"
WHEN = 1_790_000_000_000


def happened(name: str = ONE) -> list[dict[str, str]]:
    """Two attempts and what came back later, not in order."""
    own = {"id": name, "tenant": "acme", "rcpt": "jo@example.net", "ref": "r1"}
    return [
        event("opened", "o1", WHEN + 90_000, **own, agent="Mozilla", ip="192.0.2.0"),
        event("deferred", "d1", WHEN, **own, code=450, status="4.2.1", reply="4.2.1 try\x1b later",
              mx="mx1.example.net",
              source="192.0.2.7", tls="TLSv1.3 X", attempts=1, delay_ms=900, next=WHEN + 60_000,
              class_="greylisted"),
        event("delivered", "e2", WHEN + 61_000, **own, code=250, status="2.0.0", reply="2.0.0 ok", mx="mx2.example.net",
              attempts=2, delay_ms=61_900),
        event("bounced", "b3", WHEN + 99_000, **own, async_=1, code=550, reply="gone", class_="bad_mailbox"),
    ]  # fmt: skip


@pytest.fixture
def traced(config: Path) -> Callable[..., dict[str, Any]]:
    """Asks until something is known."""

    def ask(*words: str, until: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        while True:
            result = CliRunner().invoke(main, ["trace", *words, "--json", "-c", str(config)])
            found: dict[str, Any] = json.loads(result.stdout)
            if found["messages"] and until(found["messages"][0]):
                return found

    return ask


def test_trace_tells_one_message_from_entry_to_end(mta, engine, traced) -> None:
    mta(*MAIL, "k1", "--to", "jo@example.net", "--ref", "r1")
    found = traced(ONE, until=lambda one: bool(one["final"] and one["entry"]))
    (one,) = found["messages"]
    assert (one["final"], one["now"], one["rcpt"], one["ref"]) == ("delivered", None, "jo@example.net", "r1")
    assert (one["entry"]["kind"], one["entry"]["class"], one["entry"]["key"], one["entry"]["row"]) == (
        "message", "transactional", "k1", 0
    )  # fmt: skip
    assert [step["what"] for step in one["steps"]] == ["delivered"]
    text = mta("trace", ONE).stdout
    assert text.startswith(f"{ONE} of acme to jo@example.net, ref r1\n")
    assert "transactional message, key k1" in text


def test_trace_of_a_campaigns_recipient_finds_its_entry_and_where_it_waits(
    mta, idle_engine, mailing, traced
) -> None:
    file, csv = mailing("spring", 3)
    mta("campaign", "submit", "--file", file, "--recipients", csv)
    (one,) = traced("p2@example.net", until=lambda one: bool(one["entry"]))["messages"]
    assert (one["campaign"], one["entry"]["kind"], one["entry"]["row"]) == ("spring", "recipients", 2)
    assert one["now"]["state"] == "waiting"
    (same,) = traced(one["id"])["messages"]
    assert same["entry"] == one["entry"]
    assert "now: " in mta("trace", one["id"]).stdout


def test_trace_tells_attempts_and_what_came_later_in_their_order(mta, config, state) -> None:
    archive = Archive(state / "archive")
    archive.add_events(happened())
    archive.add_events(happened()[:1])  # told twice
    archive.close()
    text = mta("trace", ONE).stdout
    assert [line.split()[2] for line in text.splitlines()[1:]] == [
        "deferred",
        "delivered",
        "opened",
        "bounced",
    ]
    assert (
        "2026-09-21 14:13:20.000  deferred  attempt 1 at mx1.example.net from 192.0.2.7 TLSv1.3 X: 450 4.2.1 try� later"
        ", class greylisted, next 2026-09-21 14:14:20.000, after 0 s"
    ) in text
    assert "delivered attempt 2 at mx2.example.net in clear: 250 2.0.0 ok" in text
    found = json.loads(mta("trace", ONE, "--json").stdout)["messages"][0]
    assert [step["attempt"] for step in found["steps"]] == [1, 2, 0, 0]
    assert found["final"] == "delivered"
    assert not json.loads(mta("trace", ONE, "--from", "2099-01-01", "--json", code=66).stdout)["messages"]


def test_trace_lists_an_address_s_messages(mta, config, state) -> None:
    archive = Archive(state / "archive")
    for n in range(3):
        archive.add_events(
            [{**one, "eid": f"{n}{one['eid']}", "ts": str(int(one["ts"]) + n)} for one in happened(f"m{n}.0")]
        )
    archive.close()
    found = json.loads(mta("trace", "jo@example.net", "--json").stdout)
    assert [one["id"] for one in found["messages"]] == ["m0.0", "m1.0", "m2.0"]
    text = mta("trace", "jo@example.net").stdout
    assert "m1.0" in text
    assert "delivered" in text
    less = json.loads(mta("trace", "jo@example.net", "-n", "2", "--json").stdout)
    assert ([one["id"] for one in less["messages"]], less["complete"]) == (["m1.0", "m2.0"], False)


@pytest.mark.parametrize("form", ["text", "json"])
def test_trace_reads_the_mail_log_where_there_is_no_archive(mta, config, state, form: str) -> None:
    log = MailLog(state / "log" / "mail.log", form=form)
    for one in happened():
        log.event(one)
    log.event(event("delivered", "x", WHEN, id="other.0", tenant="acme", rcpt="jo@example.net.example"))
    log.close()
    found = json.loads(mta("trace", ONE, "--json").stdout)
    (one,) = found["messages"]
    assert [step["what"] for step in one["steps"]] == [
        "deferred",
        "delivered",
        "opened",
        "bounced (reported later)",
    ]
    assert one["steps"][0]["reply"] == "4.2.1 try\x1b later"
    assert [one["id"] for one in json.loads(mta("trace", "jo@example.net", "--json").stdout)["messages"]] == [
        ONE
    ]
    assert any("mail.log" in place for place in found["through"])


def test_trace_passes_over_lines_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(
        b'm1.0\n2026-13-77T delivered id=m1.0\n{"id": "m1.0"\n\xff m1.0 \n{"time":1,"id":"m1.0"}\n'
    )
    assert seek_log(path, "id", "m1.0").events == []
    assert parsed("") == {}


def test_trace_nothing_is_known(mta, idle_engine) -> None:
    assert "nothing is known of no.0; looked through: event streams" in mta("trace", "no.0", code=66).stderr
    assert "neither a message id nor an address" in mta("trace", "a b", code=64).stderr


def test_trace_steps_of_hostile_figures() -> None:
    assert [one.at for one in steps([{"event": "opened", "ts": "soon", "eid": "1"}, {"ts": "5"}])] == [0, 5]
