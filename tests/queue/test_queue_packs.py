"""Packs: what goes in comes out, what is broken is told, and a recipient costs little."""

import random
import string
import zlib
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanework import lane, pack_of

from mta.message import ID_BYTES
from mta.queue import packs
from mta.queue.codec import NewerFormat
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client
from mta.queue.packs import Pack, PackRow
from mta.queue.shelves import Shelves

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
times = st.integers(0, 2**41)


@st.composite
def a_pack(draw: st.DrawFn) -> Pack:
    """Any pack that ingest could make: rows in their order, each with as many values."""
    numbers = draw(st.lists(st.integers(0, 999), min_size=1, max_size=packs.MOST_ROWS, unique=True))
    width = draw(st.integers(0, 3))
    rows = [
        PackRow(
            number,
            draw(texts),
            [draw(texts) for _ in range(width)],
            draw(texts),
            draw(texts),
            draw(texts),
            draw(texts),
            draw(st.integers(0, 255)),
            draw(times),
        )
        for number in sorted(numbers)
    ]
    return Pack(
        draw(st.binary(min_size=ID_BYTES, max_size=ID_BYTES)), draw(st.integers(0, 2**47)), draw(texts),
        draw(times), draw(times), draw(texts), rows,
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(pack=a_pack())
def test_what_is_packed_comes_out_as_it_was(pack: Pack) -> None:
    raw = packs.encode(pack)
    assert packs.decode(raw) == pack
    assert packs.rows(raw) == len(pack.rows)
    assert raw[0] == packs.FORMAT
    assert raw[3 : packs.HEAD] == pack.id


@pytest.mark.parametrize("count", [0, packs.MOST_ROWS + 1])
def test_a_pack_has_1_to_256_rows(count: int) -> None:
    rows = [PackRow(number, "a@example.net", []) for number in range(count)]
    with pytest.raises(ValueError, match="1 to 256 rows"):
        packs.encode(Pack(b"x" * ID_BYTES, 1, "s", 1, 2, "", rows))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_pack_is_told_and_never_read_as_another(data: st.DataObject) -> None:
    pack = packs.decode(pack_of(20, 7))
    raw = bytearray(packs.encode(pack))
    match data.draw(st.sampled_from(["flip", "cut", "rows"])):
        case "flip":
            at = data.draw(st.integers(packs.HEAD, len(raw) - 1))
            raw[at] ^= data.draw(st.integers(1, 255))
        case "cut":
            raw = raw[: data.draw(st.integers(1, len(raw) - 5))]
        case "rows":
            raw[1:3] = data.draw(st.integers(0, 65535).filter(lambda n: n != 20)).to_bytes(2, "big")
    with suppress(ValueError):
        assert packs.decode(bytes(raw)) == pack


def test_columns_of_different_lengths_are_told() -> None:
    head = bytes((packs.FORMAT,)) + (3).to_bytes(2, "big") + b"x" * ID_BYTES
    columns = [1, "s", 1, 2, "", [0, 1, 1], "only@example.net", [], "", "", "", "", [], []]
    with pytest.raises(ValueError):
        packs.decode(head + zlib.compress(msgspec.msgpack.encode(columns)))


def test_a_pack_that_swells_is_refused_at_its_cap() -> None:
    head = bytes((packs.FORMAT,)) + (1).to_bytes(2, "big") + b"x" * ID_BYTES
    with pytest.raises(ValueError):
        packs.decode(head + zlib.compress(b"\xdb\x7f\xff\xff\xff" + b"a" * (packs.MOST_BYTES * 2)))


def test_a_newer_format_is_not_ours() -> None:
    raw = bytes((packs.FORMAT + 1,)) + pack_of(3, 1)[1:]
    with pytest.raises(NewerFormat):
        packs.decode(raw)
    assert packs.rows(raw) == 3


async def test_a_recipient_in_a_pack_costs_at_most_40_bytes(client: Client, keys: Keys) -> None:
    """E-mail, first name and a random coupon of eight characters, all keys of the queue counted (GOALS.md)."""
    chance, recipients = random.Random(7), 200 * packs.MOST_ROWS
    firsts = ["Anna", "Bob", "Carlos", "Dagmar", "Eve", "Friedrich", "Giulia", "Hannah", "Ivan", "Jo"]
    domains = ["gmail.example", "outlook.example", "yahoo.example", "web.example", "orange.example"]
    queue = Queue(client, keys)
    await queue.put("acme:warm", 1, [], packs=[(lane(site="*"), 0, pack_of(1, 1))])
    before = (await client.info("memory"))["used_memory"]
    number = 0
    for entry in range(2, 202):
        rows = []
        for row in range(packs.MOST_ROWS):
            first = chance.choice(firsts)
            coupon = "".join(chance.choices(string.ascii_uppercase + string.digits, k=8))
            number += 1
            rows.append(PackRow(row, f"{first.lower()}.{number}@{chance.choice(domains)}", [first, coupon]))
        pack = Pack(chance.randbytes(ID_BYTES), entry, f"spring.{entry:016}", 1, 2**41, "news", rows)
        assert await queue.put(
            f"acme:k{entry // 4}", entry, [], packs=[(lane(site="*"), 0, packs.encode(pack))]
        )
    used = (await client.info("memory"))["used_memory"] - before
    assert used / recipients <= 40, f"{used / recipients:.1f} bytes"


async def test_a_pack_waits_in_the_store_until_it_is_picked_and_is_picked_once(
    client: Client, keys: Keys
) -> None:
    queue, shelves = Queue(client, keys), Shelves(client, client, keys)
    store = lane(site="*")
    await queue.put("acme:k", 1, [], packs=[(store, 0, pack_of(5, 1)), (store, 0, pack_of(6, 2))])
    assert await client.hgetall(f"{queue.base}shelved") == {store.encode(): b"11"}
    assert await shelves.pick(4, 60_000, 0) == [], "enough is in the lanes"
    picked = await shelves.pick(1, 60_000, 100)
    assert [packs.rows(one.pack) for one in picked] == [5]
    assert [packs.rows(one.pack) for one in await shelves.pick(4, 60_000, 100)] == [6]
    assert await shelves.pick(4, 60_000, 100) == []
    assert await client.exists(f"{queue.base}shelved", f"{queue.base}stores") == 0
