"""Items: every record comes back as it was, and one that was never tried takes no room for what it does not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mta.message import MessageId, Record
from mta.queue import codec

ID = MessageId(3, 2**40, 7).pack()
TEXT = st.text(max_size=12)
NUMBERS = st.integers(0, 2**63 - 1)
RECORDS = st.builds(
    Record, TEXT, TEXT, NUMBERS, NUMBERS, TEXT, TEXT, st.lists(TEXT, max_size=3), st.integers(0, 300),
    st.integers(0, 255), TEXT, st.sampled_from([0, 0, 1, 0xA000, 2**20]), TEXT, TEXT, TEXT,
)  # fmt: skip


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    item = codec.decode(codec.encode(ID, record), "lane")
    assert (item.id, item.lane, item.record) == (ID, "lane", record)


def test_what_is_not_said_takes_no_room() -> None:
    fresh, tried = (
        Record("n", "u@a.example", 1, 2, values=["v"]),
        Record("n", "u@a.example", 1, 2, values=["v"], attempts=1),
    )
    assert len(codec.encode(ID, tried)) - len(codec.encode(ID, fresh)) == 8


def test_an_item_as_it_was_written_before_is_read() -> None:
    record = Record("n", "u@a.example", 1, 2)
    whole = bytes((codec.FORMAT, 4)) + ID + codec._encode(record)
    found = codec.decode(whole, "lane").record
    assert (found.rcpt, found.flags, found.values, found.tz) == ("u@a.example", 4, [], "")


def test_a_newer_format_is_left_alone() -> None:
    with pytest.raises(codec.NewerFormat):
        codec.decode(bytes((codec.FORMAT + 1, 0)) + ID, "lane")
