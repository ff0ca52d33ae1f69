"""Readers against a small web server: they ask for what is in the message, at the address they are given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest
from aiohttp import web

from mta.demo.readers import Readers, links


def message(number: int, *, one_click: bool = True) -> bytes:
    mail = EmailMessage()
    mail["To"] = f"u{number}@d.test"
    mail["List-Unsubscribe"] = f"<mailto:leave.{number}@b.shop.test>, <https://t.shop.test/u/tok{number}>"
    if one_click:
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content("text")
    mail.add_alternative(
        f'<p>ä <a href="https://t.shop.test/c/tok{number}/0">a</a> <a href="https://t.shop.test/c/tok{number}/1">'
        f'b</a><a href="https://t.shop.test/v/tok{number}">view</a><img src="https://shop.test/logo.png">'
        f'<img src="https://t.shop.test/o/tok{number}.gif" width="1" height="1"></p>',
        subtype="html",
    )
    return mail.as_bytes()


@asynccontextmanager
async def site(status: int = 0) -> AsyncIterator[tuple[int, list[str]]]:
    """A tracking host; `status` answers everything with that code instead."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(f"{request.method} {request.host} {request.path} {(await request.text())}".strip())
        if status:
            return web.Response(status=status)
        if request.path.startswith("/o/"):
            return web.Response(body=b"GIF89a", content_type="image/gif")
        if request.path.startswith("/c/"):
            return web.Response(status=302, headers={"Location": "https://shop.test/"})
        return web.Response(text="gone")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


def test_links_of_a_message() -> None:
    found = links(message(3))
    assert found.to == "u3@d.test"
    assert found.beacon == "https://t.shop.test/o/tok3.gif"
    assert found.clicks == ["https://t.shop.test/c/tok3/0", "https://t.shop.test/c/tok3/1"]
    assert found.view == "https://t.shop.test/v/tok3"
    assert (found.unsubscribe, found.mailto) == (
        "https://t.shop.test/u/tok3",
        "mailto:leave.3@b.shop.test",
    )
    assert found.one_click


def test_a_message_without_html_has_no_links() -> None:
    found = links(b"To: a@b.test\r\n\r\ntext\r\n")
    assert (found.beacon, found.clicks, found.unsubscribe, found.one_click) == ("", [], "", False)


async def test_everybody_opens_clicks_and_leaves() -> None:
    async with site() as (port, seen):
        readers = Readers("127.0.0.1", port, open_share=1, click_share=1, unsubscribe_share=1)
        reading = await readers.read([message(n) for n in range(20)])
    assert (reading.messages, reading.opened, reading.clicked, reading.unsubscribed) == (20, 20, 20, 20)
    assert reading.failed == 0
    assert "GET t.shop.test /o/tok7.gif" in seen
    assert "POST t.shop.test /u/tok7 List-Unsubscribe=One-Click" in seen
    assert len(seen) == 60
    assert not any("logo" in one for one in seen)


async def test_shares_decide_who_and_the_seed_decides_which() -> None:
    async with site() as (port, seen):
        readers = Readers("127.0.0.1", port, open_share=0.5, click_share=0, unsubscribe_share=0, seed="s")
        reading = await readers.read([message(n) for n in range(100)])
        assert reading.opened == sum(readers.will("open", f"u{n}@d.test") for n in range(100))
    assert 30 < reading.opened < 70
    assert len(seen) == reading.opened


async def test_without_the_header_of_rfc_8058_nobody_posts() -> None:
    async with site() as (port, seen):
        readers = Readers("127.0.0.1", port, open_share=0, click_share=0, unsubscribe_share=1)
        await readers.read([message(1, one_click=False)])
    assert seen == []


@pytest.mark.parametrize("status", [404, 200])
async def test_wrong_answers_are_faults(status: int) -> None:
    async with site(status) as (port, _):
        readers = Readers("127.0.0.1", port, open_share=1, click_share=1, unsubscribe_share=0)
        reading = await readers.read([message(1)])
    assert (reading.opened, reading.clicked, reading.failed) == (0, 0, 2)
    assert reading.faults == {f"open {status}": 1, f"click {status}": 1}


async def test_no_server_is_a_fault_too() -> None:
    async with site() as (port, _):
        pass
    reading = await Readers("127.0.0.1", port, open_share=1, click_share=0).read([message(1)])
    assert reading.faults == {"open 0": 1}
