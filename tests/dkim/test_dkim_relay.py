"""Signatures after a real relay: messages go through Postfix, and four verifiers look at what comes out."""

import asyncio
import os
import random
import shutil
import smtplib
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim
import pytest
from aiosmtpd.controller import Controller
from relay_postfix import free_port, missing, relay
from rspamd_verifier import root, rspamd, symbols

from mta.demo.nameserver import Nameserver
from mta.demo.zone import Zone
from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.record import dns_name, dns_record, txt_strings
from mta.dkim.sign import sign_all
from mta.mime.compile import compile
from mta.mime.document import Attachment, Document, Person, Urls
from mta.tracking import unsubscribe

MESSAGES = 30
SIGNERS = [load("acme.example", "r1", generate("rsa")), load("acme.example", "e1", generate("ed25519"))]
VERIFIER = Path(__file__).resolve().parents[2] / "bench/verify_dkim.pl"
PIECES = (
    ".",
    "\n.\n",
    "\nFrom ",
    "é",
    "Grüße",
    "日本語",
    "🙂",
    " ",
    "\t",
    "=",
    "a" * 200,
    "<b>&amp;</b>",
    "word ",
    "\n\n",
)


def messages() -> list[bytes]:
    """Signed messages with awkward content, both signatures on each."""
    chance = random.Random(int(os.environ.get("PYTEST_SEED", "1")))
    made = []
    for number in range(MESSAGES):
        text = "".join(chance.choice(PIECES) for _ in range(20))
        compiled = compile(
            Document(
                "Acme Grüße <news@acme.example>",
                f"Nr. {number} {' '.join(text.split())[:60]}",
                "Hello {{first}}\n" + text,
                f'<p>{{{{first}}}}{text}</p><a href="https://acme.example/{number}">go</a>'
                if number % 3
                else None,
                attachments=[Attachment("a.bin", "image/png", chance.randbytes(500))]
                if number % 5 == 0
                else [],
            )
        )
        urls = Urls(
            "https://t.acme.example/o/x.gif", "https://t.acme.example/c/x", "https://t.acme.example/u/x"
        )
        extra = unsubscribe.headers(urls.unsubscribe, "leave@b.acme.example", "list.acme.example")
        person = Person("bo@example.org", "Bö", ["Bö Ek"] * len(compiled.fields))
        one = compiled.render(
            person, urls, "Tue, 01 Jul 2025 10:52:37 +0000", f"<{number}@acme.example>", extra
        )
        signatures = sign_all(one.fields, one.body_hash, SIGNERS, 1_700_000_000, None)
        made.append(b"".join([*signatures, *one.fields, b"\r\n", *one.body]))
    return made


class _Keep:
    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.kept.append(envelope.original_content)
        return "250 ok"


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What came out of Postfix."""
    if why := missing():
        pytest.skip(why)
    keep, onward = _Keep(), free_port()
    controller = Controller(keep, hostname="127.0.0.1", port=onward)
    controller.start()
    try:
        with relay(onward) as port, smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            for message in messages():
                client.sendmail("x@b.acme.example", ["bo@example.org"], message)
            until = time.monotonic() + 60
            while len(keep.kept) < MESSAGES and time.monotonic() < until:
                time.sleep(0.05)
    finally:
        controller.stop()
    assert len(keep.kept) == MESSAGES
    assert all(b"\r\nReceived: " in b"\r\n" + one and b"relay.example (Postfix)" in one for one in keep.kept)
    return keep.kept


@pytest.fixture(scope="module")
def name_server() -> Iterator[int]:
    """The port of a name server that has the keys."""
    zone = Zone()
    for signer in SIGNERS:
        strings = " ".join(f'"{part}"' for part in txt_strings(dns_record(signer)))
        zone.add(dns_name(signer), {"TXT": (strings,)})
    loop, server = asyncio.new_event_loop(), Nameserver(zone)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_dkimpy_verifies_both_signatures_after_postfix(relayed: list[bytes]) -> None:
    records = {dns_name(one).encode(): dns_record(one).encode() for one in SIGNERS}
    for message in relayed:
        checker = dkim.DKIM(message)
        for at in range(len(SIGNERS)):
            assert checker.verify(at, dnsfunc=lambda name, timeout=5: records[name.rstrip(b".")])


def test_mail_dkim_verifies_after_postfix(relayed: list[bytes], name_server: int, tmp_path: Path) -> None:
    perl = shutil.which("perl")
    if not perl or subprocess.run([perl, "-MMail::DKIM", "-e1"], capture_output=True, check=False).returncode:
        pytest.skip("no Mail::DKIM: apt-get install libmail-dkim-perl")
    paths = []
    for number, message in enumerate(relayed):
        paths.append(tmp_path / f"{number}.eml")
        paths[-1].write_bytes(message)
    (tmp_path / "list").write_text("".join(f"{path}\n" for path in paths))
    ran = subprocess.run(
        [perl, str(VERIFIER), str(name_server), str(tmp_path / "list")], capture_output=True, timeout=100, check=True
    )  # fmt: skip
    told = ran.stdout.decode().splitlines()
    assert len(told) == len(relayed)
    assert all("rsa-sha256=pass" in line for line in told), told


def test_rspamd_verifies_both_signatures_after_postfix(
    relayed: list[bytes], name_server: int, tmp_path: Path
) -> None:
    where = root()
    if where is None:
        pytest.skip("no rspamd: see tests/dkim/rspamd_verifier.py for how to unpack one")
    with rspamd(where, tmp_path, name_server, free_port()) as url:
        for message in relayed:
            found = symbols(url, message)
            assert sorted(found["R_DKIM_ALLOW"]) == ["acme.example:s=e1", "acme.example:s=r1"], found
        broken = relayed[0].replace(b"\r\nSubject: ", b"\r\nSubject: x", 1)
        assert broken != relayed[0]
        assert "R_DKIM_REJECT" in symbols(url, broken)
