"""An entry that is opened in the step that puts it, against the same entry opened first."""

import pytest

from mta.message import MessageId, Record
from mta.queue import codec
from mta.queue.inspect import Depth, Inspect
from mta.queue.intake import RESERVED, Intake
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client
from mta.queue.opening import AlreadyOpen, Opening

SEEN = "acme:k1"
LANE = "1|default|example.net|acme|"


@pytest.fixture
def intake(client: Client, keys: Keys) -> Intake:
    return Intake(client, client, keys, "ingest1")


def item(entry: int) -> bytes:
    record = Record("m.0", "jo@example.net", born=1, expires=2**41)
    return codec.encode(MessageId(0, entry, 0).pack(), record)


async def put(queue: Queue, opening: Opening) -> bool:
    return await queue.put(SEEN, 1, [[LANE, 0, item(opening.entry)]], opening=opening)


async def test_a_put_opens_its_entry_and_begin_knows_it(queue: Queue, intake: Intake) -> None:
    opened = await intake.reserve("acme", "k1", b"digest", "m")
    assert opened.opening is not None
    assert opened.state == "new"
    assert opened.opening == Opening(b"digest", "acme:m", "k1", opened.entry)
    assert await put(queue, opened.opening)
    known = await intake.begin("acme", "k1", b"digest", "m")
    assert (known.state, known.entry, known.chunk) == ("resume", opened.entry, 1)
    assert (await intake.begin("acme", "k1", b"other", "m")).state == "conflict"
    assert (await intake.begin("acme", "k2", b"digest", "m")).state == "taken"


@pytest.mark.parametrize(
    ("key", "digest", "message_id"), [("k1", b"digest", "m"), ("k1", b"other", "m"), ("k2", b"digest", "m")]
)
async def test_a_put_of_a_known_entry_changes_nothing(
    queue: Queue, client: Client, keys: Keys, intake: Intake, key: str, digest: bytes, message_id: str
) -> None:
    await intake.begin("acme", "k1", b"digest", "m")
    before = sorted(await client.keys("*"))
    opened = await intake.reserve("acme", key, digest, message_id)
    assert opened.opening is not None
    with pytest.raises(AlreadyOpen):
        await queue.put(f"acme:{key}", 1, [[LANE, 0, item(opened.entry)]], opening=opened.opening)
    assert sorted(await client.keys("*")) == before
    assert await Inspect(client, keys).depth() == [Depth()] * 3


async def test_no_two_entries_get_one_number(client: Client, keys: Keys, intake: Intake) -> None:
    other = Intake(client, client, keys, "ingest2")
    drawn: list[int] = []
    for number in range(RESERVED + 2):
        drawn.append((await intake.reserve("acme", f"a{number}", b"d")).entry)
        if number % 100 == 0:
            drawn.append((await other.reserve("acme", f"b{number}", b"d")).entry)
            drawn.append((await other.begin("acme", f"c{number}", b"d")).entry)
    assert len(set(drawn)) == len(drawn)
