"""`mta erase` against a real server and real files."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mta.archive.archive import Archive
from mta.daemon import secrets
from mta.event import event
from mta.keeper.erasure import LEFT
from mta.queue.audit import AuditLog
from mta.queue.keys import Keys
from mta.queue.link import Client, Server, connect

DATA = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.fixture
def on_server(redis_url: str, state: Path) -> Any:
    """Do something on the server, as the engine does; its secret is there."""
    secrets.load(state / "keys" / "tracking")

    def run(act: Any) -> Any:
        async def story() -> Any:
            client = connect(Server(redis_url))
            try:
                return await act(client)
            finally:
                await client.aclose()

        return asyncio.run(story())

    return run


def test_a_person_goes_and_the_log_does_not_say_who(mta: Any, on_server: Any, state: Path) -> None:
    archive = Archive(state / "archive")
    archive.add_events([event("delivered", "acme/1/d", 1, tenant="acme", rcpt="jo@example.net")])
    archive.sync()

    async def told(client: Client) -> None:
        fields = event("delivered", "acme/1/d", 1, tenant="acme", rcpt="Jo@example.net")
        await client.xadd(Keys().events(0), dict(fields))

    on_server(told)
    result = mta("erase", "jo@example.net", "--reason", "letter", "--json")
    document = json.loads(result.output)
    assert document["found"]["event streams"] == 1
    assert document["found"]["archived events"] == 1
    assert document["not_reached"] == list(LEFT)
    assert [one.get("rcpt") for one in archive.events()] == [None]

    async def noted(client: Client) -> Any:
        return await AuditLog(client, Keys()).last(10)

    log = on_server(noted)
    assert [one.what for one in log] == ["address.erase", "address.erased"]
    assert not any("jo" in str(one.detail.values()) for one in log)


def test_in_words(mta: Any, on_server: Any) -> None:
    lines = mta("erase", "jo@example.net").output.splitlines()
    assert lines[0] == "jo@example.net: 1 removed or rewritten"
    assert "suppression lists" in lines[1]
    assert lines[2] == "not reached:"


@pytest.mark.parametrize(
    ("words", "said"), [(["jo"], "jo:"), (["jo@example.net", "--tenant", "no id"], "is no tenant's id")]
)
def test_what_is_no_address_or_tenant_is_told(mta: Any, on_server: Any, words: list[str], said: str) -> None:
    result = mta("erase", *words, code=64)
    assert said in result.output + result.stderr


def test_the_page_names_every_place(mta: Any, on_server: Any) -> None:
    found = json.loads(mta("erase", "jo@example.net", "--json").output)["found"]
    rows = [line.split("|")[1].strip() for line in DATA.read_text().splitlines() if line.startswith("| **")]
    assert sorted(rows) == sorted(f"**{place}**" for place in found)
