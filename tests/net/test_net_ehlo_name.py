"""The name we say: as it is set, an address literal too; what could end the line or says nothing never goes out."""

import asyncio

import pytest
from mailhost import Mailhost, running

from mta.net.connect import CannotConnect, Dialling, open_session
from mta.net.resolver import Host


@pytest.mark.parametrize("name", ["us.test", "[192.0.2.1]", "[IPv6:2001:db8::1]", "xn--bcher-kva.test"])
async def test_the_name_is_said_as_it_is_set(name: str) -> None:
    async with running(Mailhost()) as host:
        opened = await open_session(Host("mx.test", "127.0.0.1"), Dialling(port=host.port, helo=name), None)
        opened.transport.abort()
        assert host.clear == [f"EHLO {name}"]


@pytest.mark.parametrize("name", ["us.test\r\nMAIL FROM:<>", "us test", "\x00", "b\u00fccher.test"])
async def test_what_is_no_name_is_refused_before_a_connection(name: str) -> None:
    async with running(Mailhost()) as host:
        with pytest.raises((CannotConnect, ValueError)):
            await open_session(Host("mx.test", "127.0.0.1"), Dialling(port=host.port, helo=name), None)
        await asyncio.sleep(0)
        assert host.clear == []
