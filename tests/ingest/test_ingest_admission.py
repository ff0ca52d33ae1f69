"""Whether a campaign may begin: held for a look, as a new tenant's are, and what another version of it changes."""

import json
from typing import Any

import pytest

from mta.ingest.checked import Campaign
from mta.ingest.entry import Submission, read
from mta.ingest.ingest import Ingest
from mta.ingest.mailroom import Mailroom, Rules
from mta.ingest.office import Office
from mta.ingest.orders import Orders
from mta.ingest.putter import Putter
from mta.ingest.routing import Routing
from mta.ingest.sorter import Sorter
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.intake import Intake
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client
from mta.queue.sifting import Sifting
from mta.queue.suppression import Suppressions
from mta.queue.terms import TermsBook

DOCUMENT = {"from": "News <news@acme.example>", "subject": "Hi", "text": "Hello {{email}}\n"}
PEOPLE = [[f"u{n}@d{n % 7}.example"] for n in range(900)]


class Door:
    """Ingest, told one entry at a time; `first` of a new tenant's campaigns are looked at."""

    def __init__(self, client: Client, keys: Keys, first: int = 0) -> None:
        self.client, self.keys = client, keys
        campaigns, control, terms = Campaigns(client, keys), Control(client, keys), TermsBook(client, keys)
        queues = [Queue(client, keys, shard) for shard in range(keys.shards)]
        suppressions = Suppressions(client, keys, b"secret")
        sorter = Sorter(suppressions, Routing(), keys.shards)
        self.control = control
        self.intake = Intake(client, client, keys, "ingest1")
        mailroom = Mailroom(
            self.intake, campaigns, Putter(queues, sorter), control, terms, Rules(review_first=first)
        )
        orders = Orders(campaigns, control, Sifting(client, keys), terms)
        self.ingest = Ingest(self.intake, mailroom, Office(campaigns, orders, suppressions, terms))
        self.number = 0

    async def hand_in(
        self, stream: str, kind: str, document: dict[str, Any], tenant: str = "acme"
    ) -> dict[str, str]:
        await self.intake.prepare()
        self.number += 1
        fields = {
            "v": "1", "kind": kind, "tenant": tenant, "key": f"k{self.number}", "data": json.dumps(document),
        }  # fmt: skip
        entry_id = await self.client.xadd(self.keys.submit_stream(stream), fields)
        raw = {name.encode(): value.encode() for name, value in fields.items()}
        await self.ingest.take_in((self.keys.submit_stream(stream), entry_id, raw))
        ((_, told),) = await self.client.xrevrange(self.keys.events(0), count=1)
        return {name.decode(): value.decode() for name, value in told.items()}

    async def campaign(self, name: str, **more: Any) -> str:
        """Why the campaign is held, "" when it is not."""
        told = await self.hand_in("bulk", "campaign", DOCUMENT | {"id": name} | more)
        assert told["event"] == "accepted", told
        gate = (await self.control.gates()).get(f"c|acme|{name}")
        return gate.reason if gate else ""

    async def order(self, op: str, name: str) -> dict[str, str]:
        return await self.hand_in("control", "control", {"op": op, "scope": {"campaign": name}, "by": "jo"})


async def test_a_new_tenants_campaigns_wait_until_some_were_released(client: Client, keys: Keys) -> None:
    door = Door(client, keys, first=2)
    for name in ("one", "two", "three"):
        assert "the tenant is new" in await door.campaign(name)
    await door.order("reject", "one")
    await door.order("release", "two")
    assert await door.campaign("four"), "a rejected one says nothing for the tenant"
    await door.order("release", "three")
    assert await door.campaign("five") == ""
    assert "c|acme|four" in await door.control.gates(), "what was held waits for its own word"


async def test_a_tenants_document_goes_before_the_engines_rule(client: Client, keys: Keys) -> None:
    document = {"id": "acme", "from_domains": ["acme.example"]}
    door = Door(client, keys, first=1)
    await door.hand_in("control", "tenant", document | {"review": False})
    assert await door.campaign("one") == ""
    door = Door(client, keys)
    door.number = 10  # other keys
    await door.hand_in("control", "tenant", document | {"review": True})
    assert await door.campaign("two") == "the tenant is under review"


async def test_another_version_of_a_campaign_opens_what_it_does_not_close(client: Client, keys: Keys) -> None:
    door = Door(client, keys)
    assert await door.campaign("spring", hold=True, canary={"share": 0.1})
    assert await door.control.gates() != {}
    assert await door.campaign("spring", subject="Another") == ""
    assert await door.control.gates() == {}
    assert await client.keys("*canar*") == []


async def test_a_held_campaigns_few_are_packed_and_looked_up_when_they_go(client: Client, keys: Keys) -> None:
    door = Door(client, keys)
    await door.campaign("spring", hold=True)
    people = {"campaign": "spring", "columns": ["email"], "rows": PEOPLE[:5], "last": True}
    await door.hand_in("bulk", "recipients", people)
    assert await client.hgetall("mta:{0}:shelved") == {b"2|default|*|acme|spring": b"5"}
    assert await client.keys("mta:{0}:lane:*") == []


@pytest.mark.parametrize("shards", [1, 3])
async def test_a_canarys_people_are_in_lanes_and_the_others_in_the_store(client: Client, shards: int) -> None:
    keys = Keys(shards=shards)
    door = Door(client, keys)
    await door.campaign("spring", canary={"share": 0.05})
    people = {"campaign": "spring", "columns": ["email"], "rows": PEOPLE, "last": True}
    told = await door.hand_in("bulk", "recipients", people)
    assert told["count"] == "900"
    drawn = ready = shelved = accepted = 0
    for shard in range(shards):
        base = keys.base(shard)
        drawn += int(await client.hget(f"{base}canary:acme|spring", "drawn") or 0)
        ready += int(await client.hget(f"{base}ready", "2") or 0)
        shelved += sum(map(int, await client.hvals(f"{base}shelved")))
        accepted += int(await client.hget(f"{base}count:acme|spring", "accepted") or 0)
    assert drawn == ready
    assert 20 < drawn < 90
    assert (ready + shelved, accepted) == (900, 900)


async def test_the_largest_canary_is_bounded(
    client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mta.ingest.vanguard.MOST", 30)
    door = Door(client, keys)
    await door.campaign("spring", canary={"share": 0.9})
    people = {"campaign": "spring", "columns": ["email"], "rows": PEOPLE}
    await door.hand_in("bulk", "recipients", people)
    assert await client.hget("mta:{0}:canary:acme|spring", "drawn") == b"30"
    assert await client.hget("mta:{0}:ready", "2") == b"30"


def test_a_canary_keeps_its_defaults() -> None:
    fields = {"v": "1", "kind": "campaign", "tenant": "acme", "key": "k"}
    document = DOCUMENT | {"id": "s", "canary": {"share": 0.01, "wait": "2h"}}
    raw = {name.encode(): value.encode() for name, value in (fields | {"data": json.dumps(document)}).items()}
    found = read(raw, "bulk")
    assert isinstance(found, Submission)
    assert isinstance(found.document, Campaign)
    assert found.document.canary is not None
    assert (found.document.canary.then, found.document.canary.wait) == ("hold", 7_200_000)
