"""STARTTLS (RFC 3207), 8BITMIME and SMTPUTF8 (RFC 6531) at the inbound listener."""

import asyncio
import smtplib
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mta.daemon.assemble_tls import receiving
from mta.daemon.exits import Stop
from mta.inbound.listener import Listener, Settings
from tests.inbound.test_inbound_listener import dsn
from tests.net.authority import make


def server_context(folder: Path) -> ssl.SSLContext:
    made = make("mx.acme.example", names=["mx.acme.example"])
    path = folder / "tls.pem"
    path.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def start(world: Any) -> None:
    settings = Settings("127.0.0.1", 0, "mx.acme.example", world.caps, server_context(world.folder))
    world.listener = Listener(world.doors(), world.spool, settings)
    await world.listener.start()


def send(world: Any) -> bytes:
    with smtplib.SMTP("127.0.0.1", world.listener.port, timeout=5) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        client.starttls(context=client_context())
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.sock is not None
        client.sendmail("<>", [world.address()], dsn())
        return str(client.sock.version()).encode()  # type: ignore[attr-defined]


def scenario(make_world: Any, folder: Path) -> Any:
    async def story() -> None:
        world = make_world(folder)
        await start(world)
        assert (await asyncio.to_thread(send, world)).startswith(b"TLSv1.")
        await world.until(lambda: world.redis.items)
        await world.until(lambda: world.listener.gate.inside == 0)
        assert world.listener.gate.held == 0
        async with world.peer() as peer:
            # What was written before the handshake is not a command of the session under TLS (RFC 3207 section 6).
            peer.writer.write(b"STARTTLS\r\nNOOP\r\n")
            assert (await peer.reply()).startswith("220")
        async with world.peer() as peer:
            assert (await peer.say("STARTTLS")).startswith("220")
            peer.writer.write(b"this is no handshake\r\n" * 20)
            await peer.reader.read()
        await world.until(lambda: world.listener.gate.inside == 0)
        await world.stop()

    return story()


def test_a_session_goes_on_under_tls(make_world: Any, tmp_path: Path) -> None:
    asyncio.run(scenario(make_world, tmp_path))


def test_a_session_goes_on_under_tls_on_uvloop(make_world: Any, tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(scenario(make_world, tmp_path))


def test_a_certificate_that_can_not_be_used_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    assert receiving("") is None
    server_context(tmp_path)
    assert receiving(str(tmp_path / "tls.pem")) is not None
    (tmp_path / "half.pem").write_bytes((tmp_path / "tls.pem").read_bytes().partition(b"-----BEGIN CERT")[0])
    for name in ("half.pem", "none.pem"):
        with pytest.raises(Stop, match=rf"inbound\.certificate.*{name}"):
            receiving(str(tmp_path / name))


async def test_without_a_certificate_starttls_is_not_offered(world: Any) -> None:
    await world.start()
    async with world.peer(hello=False) as peer:
        await peer.reply()
        assert "STARTTLS" not in await peer.say("EHLO x")


async def test_eight_bits_and_names_in_utf8_are_taken(world: Any) -> None:
    await world.start()
    raw = dsn(rcpt="jos\u00e9@example.org", text="Die Zustellung schlug fehl: \u00fcberf\u00fcllt")
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<jos\u00e9@example.org> BODY=8BITMIME SMTPUTF8")).startswith("250")
        assert (await peer.say(f"RCPT TO:<{world.address()}>")).startswith("250")
        assert (await peer.say("DATA")).startswith("354")
        peer.writer.write(raw + b"\r\n.\r\n")
        assert (await peer.reply()).startswith("250")
        latin = b"MAIL FROM:<jos\xe9@example.org>"  # no UTF-8: some old servers do that
        assert (await peer.say(latin)).startswith("250")
        assert (await peer.say(f"RCPT TO:<{world.address()}>", "DATA")).startswith("354")
        peer.writer.write(dsn(text="\u00e9").decode().encode("latin-1") + b"\r\n.\r\n")
        assert (await peer.reply()).startswith("250")
    await world.until(lambda: len(world.redis.items) == 2)
