"""The web endpoint without a proxy: HTTPS on its own certificate."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mta.daemon.assemble_tls import receiving
from mta.daemon.exits import Stop
from mta.web.app import Rules, make_app, serve
from tests.net.authority import make


def pem(folder: Path) -> Path:
    made = make("t.acme.example", names=["t.acme.example"])
    path = folder / "tls.pem"
    path.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)
    return path


async def test_pages_come_by_https_and_nothing_in_clear(world, tmp_path: Path) -> None:
    path = pem(tmp_path)
    runner = await serve(
        make_app(world.doors(), Rules(tmp_path / "spool")), "127.0.0.1", 0, tls=receiving(str(path))
    )
    port = runner.addresses[0][1]
    trusted = ssl.create_default_context(cafile=str(path))
    try:
        async with aiohttp.ClientSession() as session:
            url = f"https://127.0.0.1:{port}/healthz"
            async with session.get(url, ssl=trusted, server_hostname="t.acme.example") as answer:
                assert answer.status == 200
            with pytest.raises((aiohttp.ClientError, asyncio.TimeoutError)):
                await session.get(f"http://127.0.0.1:{port}/healthz")
    finally:
        await runner.cleanup()


def test_a_file_that_is_no_certificate_is_told_by_its_setting(tmp_path: Path) -> None:
    path = tmp_path / "tls.pem"
    path.write_text("nothing")
    with pytest.raises(Stop, match=r"`web.certificate` .* holds no private key"):
        receiving(str(path), "web.certificate")
