"""The main road: what is submitted arrives, once, as it should look, and is told."""

import json
import shutil
import subprocess
from collections.abc import Callable
from email import message_from_bytes, policy

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mta.dkim.key import load
from mta.dkim.record import dns_record


def test_a_campaign_is_personalised_signed_delivered_and_reported(engine: Callable) -> None:
    running = engine(capture=True, double=True)
    rows = [[f"u{n}@d{n % 3}.example.test", f"Zoë {n}", f"r{n}"] for n in range(60)]
    running.campaign(
        rows, ["email", "first", "ref"], html="<p>Hi {{first}} <a href='https://x.example/'>go</a></p>"
    )
    delivered = running.until(60, "delivered")
    assert {event["ref"] for event in delivered} == {f"r{n}" for n in range(60)}
    assert all(event["campaign"] == "spring" and event["code"] == "250" for event in delivered)
    (finished,) = running.until(1, "finished")
    assert (finished["accepted"], finished["delivered"]) == ("60", "60")
    messages = running.captured(60)
    seen = set()
    for raw in messages:
        message = message_from_bytes(raw, policy=policy.default)
        assert not message.defects
        seen.add(str(message["Subject"]))
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        html = message.get_body(("html",)).get_content()
        assert "/c/" in html
        assert "/o/" in html
        assert "https://x.example/" not in html
    assert seen == {f"Hi Zoë {n}" for n in range(60)}
    keys = {
        f"{path.stem}._domainkey.t0.example.": dns_record(load("t0.example", path.stem, path.read_bytes()))
        for path in (running.rig.state / "dkim/t0.example").glob("*.pem")
    }
    for raw in messages[:10]:
        verifier = dkim.DKIM(raw)
        names = [name for name, _ in verifier.headers if name.lower() == b"dkim-signature"]
        assert len(names) == 2
        for number in range(2):
            assert verifier.verify(idx=number, dnsfunc=lambda name, timeout=5: keys[name.decode()].encode())


def test_one_message_to_several_recipients_has_one_message_id(engine: Callable) -> None:
    running = engine(capture=True)
    document = {
        "id": "inv-1", "from": "Billing <billing@t0.example>", "to": ["Jo <jo@d1.example.test>", "al@d2.example.test"],
        "bcc": ["boss@d3.example.test"], "subject": "Invoice {{n}}", "text": "Total {{n}}", "vars": {"n": 7},
        "attachments": [{"name": "a.pdf", "type": "application/pdf", "data": "UERG"}], "ref": "o-1",
    }  # fmt: skip
    running.xadd("transactional", "message", "t0", "k1", document)
    delivered = running.until(3, "delivered")
    assert {event["id"] for event in delivered} == {"inv-1.0", "inv-1.1", "inv-1.2"}
    messages = [message_from_bytes(raw, policy=policy.default) for raw in running.captured(3)]
    assert len({message["Message-ID"] for message in messages}) == 1
    for message in messages:
        assert message["Subject"] == "Invoice 7"
        assert "boss" not in str(message)
        assert message["To"] == "Jo <jo@d1.example.test>, al@d2.example.test"
        assert next(message.iter_attachments()).get_content() == b"PDF"


def test_the_same_key_is_accepted_once_and_other_bytes_are_refused(engine: Callable) -> None:
    running = engine()
    document = {"from": "a@t0.example", "to": ["jo@d1.example.test"], "subject": "One", "text": "x"}
    for _ in range(2):
        running.xadd("transactional", "message", "t0", "k1", document)
    running.xadd("transactional", "message", "t0", "k1", document | {"subject": "Two"})
    accepted = running.until(2, "accepted")
    (rejected,) = running.until(1, "rejected")
    assert [event.get("repeat", "0") for event in accepted] == ["0", "1"]
    assert rejected["code"] == "key_conflict"
    running.until(1, "delivered")
    assert running.rig.received()["messages"] == 1


def test_a_malformed_submission_stops_nothing_else(engine: Callable) -> None:
    running = engine()
    bad = {
        "from": "a@t0.example\r\nBcc: x@y.example",
        "to": ["jo@d1.example.test"],
        "subject": "s",
        "text": "x",
    }
    running.xadd("transactional", "message", "t0", "bad", bad)
    running.campaign(
        [["jo@d1.example.test", "Jo"], ["not an address", "Eve"], ["al@d1.example.test", "Al"]], ["email", "first"],
        subject="Hi {{first}}",
    )  # fmt: skip
    running.until(2, "delivered")
    rejected = {event["key"]: event for event in running.until(2, "rejected")}
    assert rejected["bad"]["code"] == "control_character"
    assert "`from`" in rejected["bad"]["why"]
    assert (rejected["spring.0"]["row"], rejected["spring.0"]["field"]) == ("1", "email")
    (finished,) = running.until(1, "finished")
    assert finished["accepted"] == "2"


def test_temporary_refusals_are_retried_and_permanent_ones_bounce_and_suppress(engine: Callable) -> None:
    quick = {"first": "200ms", "factor": 0.1, "most": "1s"}
    running = engine(
        sink=("--temp-share", "0.3", "--perm-share", "0.2"),
        settings={"retry.bulk": quick, "retry.transactional": quick},
    )
    rows = [[f"u{n}@d1.example.test", f"r{n}"] for n in range(100)]
    running.campaign(rows, ["email", "ref"])
    finals = running.until(100, "delivered", "bounced")
    bounced = {event["rcpt"] for event in finals if event["event"] == "bounced"}
    assert 5 < len(bounced) < 40
    assert all(event["class"] == "recipient_unknown" for event in finals if event["event"] == "bounced")
    assert running.events("deferred")
    assert len({event["id"] for event in finals}) == 100
    running.campaign(rows, ["email", "ref"], id="autumn")
    suppressed = running.until(len(bounced), "suppressed")
    assert {event["rcpt"] for event in suppressed} == bounced, "a bad address is not written to again"


def test_domains_without_mail_bounce_and_unknown_fields_refuse_the_rows(engine: Callable) -> None:
    running = engine()
    running.campaign([["jo@missing.test"]], ["email"], id="gone")
    (bounced,) = running.until(1, "bounced")
    assert (bounced["class"], bounced["status"]) == ("domain_invalid", "5.1.2")
    running.campaign([["jo@d1.example.test"]], ["email"], id="broken", subject="{{nope}}")
    (rejected,) = running.until(1, "rejected")
    assert (rejected["code"], rejected["field"]) == ("unknown_field", "nope")


def test_suspend_resume_and_purge_act_on_what_waits(engine: Callable) -> None:
    running = engine(settings={"limits": {"rate": "20/s", "burst": 1}})
    rows = [[f"u{n}@d1.example.test"] for n in range(100)]
    scope = {"tenant": "t0", "campaign": "spring"}
    running.campaign(rows, ["email"])
    running.until(5, "delivered")
    running.xadd(
        "control", "control", "t0", "s1", {"op": "suspend", "scope": scope, "reason": "a look first"}
    )
    (suspended,) = running.until(1, "suspended")
    assert suspended["reason"] == "a look first"
    subprocess.run(["sleep", "1"], check=True)
    before = len(running.events("delivered"))
    subprocess.run(["sleep", "1"], check=True)
    assert len(running.events("delivered")) == before < 100
    running.xadd("control", "control", "t0", "r1", {"op": "resume", "scope": scope})
    running.until(before + 5, "delivered")
    running.xadd("control", "control", "t0", "p1", {"op": "purge", "scope": scope, "by": "ops"})
    (finished,) = running.until(1, "finished")
    assert int(finished["delivered"]) + int(finished["purged"]) == 100
    assert sum(int(event["count"]) for event in running.events("purged")) == int(finished["purged"]) > 0


@pytest.mark.system
def test_a_campaign_by_redis_cli_alone_is_delivered(engine: Callable) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is missing: apt-get install redis-tools")
    running = engine()
    socket = str(running.rig.state / "redis/redis.sock")
    campaign = {"id": "cli", "from": "a@t0.example", "subject": "Hi", "text": "Hello"}
    people = {"campaign": "cli", "columns": ["email"], "rows": [["jo@d1.example.test"]], "last": True}
    for kind, document in (("campaign", campaign), ("recipients", people)):
        command = [
            "redis-cli",
            "-s",
            socket,
            "XADD",
            "mta:submit:bulk",
            "*",
            "v",
            "1",
            "kind",
            kind,
            "tenant",
            "t0",
        ]
        command += ["key", f"cli-{kind}", "data", json.dumps(document)]
        assert b"-" in subprocess.run(command, check=True, capture_output=True).stdout
    running.until(1, "delivered")


def test_the_key_that_signs_is_the_tenants_own(engine: Callable) -> None:
    running = engine(capture=True, tenants=2)
    for tenant in ("t0", "t1"):
        document = {
            "from": f"a@{tenant}.example",
            "to": ["jo@d1.example.test"],
            "subject": tenant,
            "text": "x",
        }
        running.xadd("transactional", "message", tenant, "k", document)
    running.until(2, "delivered")
    for raw in running.captured(2):
        message = message_from_bytes(raw, policy=policy.default)
        tenant = str(message["Subject"])
        assert f"d={tenant}.example" in "".join(str(message["DKIM-Signature"]).split())
        path = running.rig.state / f"dkim/{tenant}.example/s1.pem"
        assert load_pem_private_key(path.read_bytes(), None)
        record = dns_record(load(f"{tenant}.example", "s1", path.read_bytes())).encode()
        assert dkim.verify(raw, dnsfunc=lambda name, timeout=5, record=record: record)


def test_a_domain_without_a_key_sends_nothing_where_signing_is_required(engine: Callable) -> None:
    running = engine(signed=False, settings={"dkim": {"require": True}})
    running.campaign([["jo@d1.example.test"]], ["email"])
    (failed,) = running.until(1, "failed")
    assert "mta dkim gen t0.example" in failed["why"]
    assert running.rig.received()["messages"] == 0
