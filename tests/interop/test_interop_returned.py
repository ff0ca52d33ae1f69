"""A Postfix takes our mail, fails later and sends its report to our listener: heard, suppressed, skipped next time."""

import json
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.rig import Rig, Setup, free_port
from mta.cli.main import main
from tests.dkim.relay_postfix import missing
from tests.engine.conftest import Engine
from tests.interop.mailbox import Mailbox
from tests.interop.postfixes import postfix
from tests.net.authority import make

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
    pytest.mark.timeout(150),
]

# A program that finds out only when it delivers that nobody is there (EX_NOUSER of sysexits.h).
LATER = "later unix - n n - - pipe user=nobody argv=/bin/sh -c {echo The account is gone; exit 67}\n"
MAIN = """\
transport_maps = inline:{{ {{dead@example.net = later:}} }}
default_transport = smtp:[127.0.0.1]:{inbound}
smtp_tls_security_level = encrypt
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Engine, Mailbox]]:
    """An engine whose mail goes to a Postfix, and a Postfix whose reports go to the engine, under TLS."""
    made = make("mx.t0.example", names=["mx.t0.example"])
    pem = tmp_path / "tls.pem"
    pem.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)
    inbound = free_port()
    with postfix(MAIN.format(inbound=inbound), services=LATER) as box:
        settings = {
            "net": {"smtp_port": box.port},
            "inbound": {"listen": f"127.0.0.1:{inbound}", "certificate": str(pem)},
        }
        with Rig(Setup(tenants=1, receiver="sink", settings=settings)) as rig:
            rig.start_engine()
            yield Engine(rig), box


def send(engine: Engine, campaign: str) -> None:
    engine.campaign([["dead@example.net"], ["live@example.net"]], ["email"], id=campaign)


def about(events: list[dict[str, str]], rcpt: str) -> dict[str, str]:
    (found,) = [event for event in events if event["rcpt"] == rcpt]
    return found


def test_a_report_of_a_later_failure_keeps_the_next_campaign_from_the_address(
    world: tuple[Engine, Mailbox],
) -> None:
    engine, _ = world
    send(engine, "spring")
    engine.until(2, "delivered")
    (bounced,) = engine.until(1, "bounced")
    assert (bounced["rcpt"], bounced["async"], bounced["campaign"]) == ("dead@example.net", "1", "spring")
    assert (bounced["class"], bounced["disposition"]) == ("recipient_unknown", "hard")
    assert "The account is gone" in bounced["reply"]
    send(engine, "summer")
    suppressed = about(engine.until(1, "suppressed"), "dead@example.net")
    assert (suppressed["campaign"], suppressed["reason"]) == ("summer", "recipient_unknown")
    assert [event["rcpt"] for event in engine.until(3, "delivered")].count("live@example.net") == 2
    words = ["suppress", "show", "dead@example.net", "--json", "-c", str(engine.rig.root / "mta.toml")]
    (shown,) = json.loads(CliRunner().invoke(main, words).output)["suppressed"]
    assert (shown["tenant"], shown["by"], shown["campaign"]) == ("t0", "report", "spring")
    assert "The account is gone" in shown["evidence"]


def test_a_complaint_stops_the_tenants_bulk_mail(world: tuple[Engine, Mailbox]) -> None:
    engine, box = world
    send(engine, "spring")
    engine.until(2, "delivered")
    engine.until(1, "bounced")
    (original,) = box.messages()
    head = (
        b"From: fbl@provider.example\r\nTo: fbl@b.t0.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=feedback-report; boundary="=b"\r\n\r\n'
        b"--=b\r\nContent-Type: message/feedback-report\r\n\r\n"
        b"Feedback-Type: abuse\r\nUser-Agent: Provider-FBL/1.0\r\nVersion: 1\r\n"
        b"Original-Rcpt-To: redacted@example.net\r\n\r\n--=b\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    # As a provider returns it: without the return path and the recipient.
    lines = original.split(b"\r\n")
    kept = [
        line for line in lines if not line.startswith((b"Return-Path:", b"Delivered-To:", b"X-Original-To:"))
    ]
    with smtplib.SMTP("127.0.0.1", box.port, timeout=10) as client:
        report = head + b"\r\n".join(kept) + b"\r\n--=b--\r\n"
        client.sendmail("fbl@provider.example", ["fbl@b.t0.example"], report)
    (complained,) = engine.until(1, "complained")
    assert (complained["rcpt"], complained["feedback"]) == ("live@example.net", "abuse")
    send(engine, "summer")
    found = engine.until(2, "suppressed")
    assert about(found, "live@example.net")["reason"] == "complained"
    assert len(engine.events("delivered")) == 2
