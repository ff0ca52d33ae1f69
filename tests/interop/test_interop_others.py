"""Our client and Exim, OpenSMTPD and aiosmtpd: the torture set arrives octet for octet."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from mta.smtp.dialogue import Dialogue
from mta.workers import dispatch
from tests.interop.exims import exim
from tests.interop.mailbox import Mailbox
from tests.interop.opensmtpds import opensmtpd
from tests.interop.torture import cases, survives
from tests.scenarios.conftest import World

pytestmark = pytest.mark.timeout(120)


@pytest.mark.system
async def test_exim_with_all_it_offers(world: World) -> None:
    with exim() as box:
        await survives(world, box, cases(utf8=True))


@pytest.mark.system
async def test_exim_by_bdat(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "Dialogue", partial(Dialogue, chunking=True))
    with exim() as box:
        await survives(world, box, cases(utf8=True))


@pytest.mark.system
async def test_exim_without_extensions(world: World) -> None:
    with exim(pipelining=False, chunking=False, eight_bit=False) as box:
        await survives(world, box, cases(eight_bit=False))


@pytest.mark.system
async def test_opensmtpd(world: World) -> None:
    with opensmtpd() as box:
        await survives(world, box, cases())


class Keep:
    """Writes what aiosmtpd took into a Maildir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        name = self.folder / "new" / os.urandom(8).hex()
        name.write_bytes(envelope.original_content)
        return "250 2.0.0 kept"


@asynccontextmanager
async def aiosmtpd(folder: Path, **more: Any) -> AsyncIterator[Mailbox]:
    """An aiosmtpd on loopback."""
    (folder / "new").mkdir(parents=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Keep(folder), loop=loop, **more), "127.0.0.1", 0)
    try:
        yield Mailbox("127.0.0.1", server.sockets[0].getsockname()[1], folder)
    finally:
        server.close()


@pytest.mark.parametrize("utf8", [True, False])
async def test_aiosmtpd(world: World, tmp_path: Path, utf8: bool) -> None:
    async with aiosmtpd(tmp_path / "box", enable_SMTPUTF8=utf8, decode_data=False) as box:
        await survives(world, box, cases(utf8=utf8))
