"""The demo's mail: whole documents of the protocol, with the links and fields that the demo shows off."""

import csv
import io
import json
import re
from collections import Counter

import pytest

from mta.address import parse
from mta.demo import newsletter, town


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_people_are_unique_valid_and_the_same_for_the_same_seed() -> None:
    text = newsletter.recipients_csv(3000, seed=5)
    people = rows(text)
    assert tuple(people[0]) == newsletter.COLUMNS
    assert len({one["email"] for one in people}) == len({one["ref"] for one in people}) == 3000
    assert all(parse(one["email"]).domain in town.weights() for one in people)
    assert any(not one["name"].isascii() for one in people)
    assert any(one["city"] == "" for one in people)
    assert newsletter.recipients_csv(3000, seed=5) == text
    assert newsletter.recipients_csv(3000, seed=6) != text


def test_people_live_where_the_weights_say() -> None:
    text = newsletter.recipients_csv(4000, {"a.test": 3, "b.test": 1})
    where = Counter(one["email"].partition("@")[2] for one in rows(text))
    assert where["a.test"] / where["b.test"] == pytest.approx(3, rel=0.15)


def test_the_newsletter_has_ten_links_of_its_own_and_the_two_that_are_always_there() -> None:
    html = newsletter.asset("newsletter.html")
    assert 8_000 <= len(html.encode()) <= 12_000
    assert len(re.findall(r'href="https://shop\.example/', html)) == 10
    assert len(re.findall(r'href="https?:', html)) == 10
    assert "<img " in html
    for page in (html, newsletter.asset("newsletter.txt")):
        fields = set(re.findall(r"\{\{(\w+)", page))
        assert {"first", "city", "coupon", "unsubscribe_url", "view_url"} <= fields
        assert all("|" in one for one in re.findall(r"\{\{(?:first|city|coupon)[^}]*\}\}", page))


def test_documents_are_cut_into_entries_and_only_the_last_says_so() -> None:
    campaign, parts = newsletter.documents(newsletter.recipients_csv(2500), campaign="spring")
    assert campaign["unsubscribe"] is True
    assert [len(part["rows"]) for part in parts] == [1000, 1000, 500]  # type: ignore[arg-type]
    assert [part["last"] for part in parts] == [False, False, True]
    entries = newsletter.entries(campaign, parts)
    assert [one["kind"] for one in entries] == ["campaign", "recipients", "recipients", "recipients"]
    assert len({one["key"] for one in entries}) == 4
    assert all(len(one["data"].encode()) < 1 << 20 for one in entries)
    assert json.loads(entries[0]["data"]) == campaign


def test_nobody_is_still_a_finished_campaign() -> None:
    _, parts = newsletter.documents(newsletter.recipients_csv(0))
    assert [(part["rows"], part["last"]) for part in parts] == [([], True)]


def test_the_notice_is_neither_tracked_nor_to_be_unsubscribed() -> None:
    campaign, parts = newsletter.notice(newsletter.recipients_csv(10))
    assert campaign["unsubscribe"] is False
    assert campaign["track"] == {"opens": False, "clicks": False}
    assert "http" not in str(campaign["html"]) + str(campaign["text"])
    assert len(parts) == 1
