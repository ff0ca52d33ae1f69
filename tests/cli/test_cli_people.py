"""The stream of people: nobody lost, nobody twice, the same cut every time."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.cli.failure import Failure
from mta.cli.people import MAX_BYTES, batches, key_of
from mta.identity import is_id

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
PEOPLE = st.lists(st.lists(CELL, min_size=2, max_size=2).filter(any), min_size=1, max_size=40)


def text_of(rows: list[list[str]]) -> io.StringIO:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["email", "first"], *rows])
    out.seek(0)
    return out


@given(PEOPLE, st.integers(1, 10))
@settings(max_examples=100, deadline=None)
def test_every_row_comes_once_in_order_and_only_the_last_batch_says_last(
    rows: list[list[str]], most: int
) -> None:
    found = list(batches(text_of(rows), "spring", most, "x.csv"))
    documents = [json.loads(one.data) for one in found]
    assert [row for document in documents for row in document["rows"]] == rows
    assert [document["last"] for document in documents] == [False] * (len(found) - 1) + [True]
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    assert all(document["columns"] == ["email", "first"] for document in documents)
    assert all(one.rows == most for one in found[:-1])
    assert list(batches(text_of(rows), "spring", most, "x.csv")) == found


def test_a_batch_stays_under_the_limit_of_an_entry() -> None:
    rows = [[f"p{n}@example.net", "y" * 60_000] for n in range(40)]
    found = list(batches(text_of(rows), "spring", 1000, "x.csv"))
    assert sum(one.rows for one in found) == 40
    assert len(found) > 1
    assert all(len(one.data) <= MAX_BYTES + 200 for one in found)


def test_it_is_a_stream() -> None:
    def endless():
        yield "email\n"
        while True:
            yield "jo@example.net\n"

    first = next(batches(endless(), "spring", 10, "x.csv"))
    assert (first.rows, first.last) == (10, False)


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "x.csv:1: the header names no column `email`"),
        ("mail,first\na@b.example,A\n", "x.csv:1: the header names no column `email`"),
        ("email\n\n", "holds a header and nobody"),
        ('email,first\na@b.example,"A" B\n', "x.csv:2: is not CSV"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(Failure, match=says) as raised:
        list(batches(io.StringIO(text, newline=""), "spring", 10, "x.csv"))
    assert raised.value.code == 65


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True), st.integers(1, 10**7))
@settings(max_examples=100, deadline=None)
def test_keys_are_legal_and_differ(campaign: str, number: int) -> None:
    key = key_of(campaign, str(number))
    assert is_id(key)
    assert key != key_of(campaign, str(number + 1))
    assert key == key_of(campaign, str(number))
    assert is_id(key_of(campaign, "c" + "0" * 12))
