"""`mta suppress`: on a list, off it, looked up, out to a file and in again."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from mta.daemon import secrets
from mta.queue.keys import Keys
from mta.queue.link import Server, connect
from mta.queue.strikebook import StrikeBook
from mta.queue.suppression import Suppressions


@pytest.fixture
def secret(state: Path) -> bytes:
    """The engine's secret, made as its first start does."""
    return secrets.load(state / "keys" / "tracking").suppression


@pytest.fixture
def with_lists(redis_url: str, secret: bytes) -> Any:
    """Do something with the lists as the engine does."""

    def run(act: Any) -> Any:
        async def story() -> Any:
            client = connect(Server(redis_url))
            try:
                return await act(Suppressions(client, Keys(), secret, sealing=True))
            finally:
                await client.aclose()

        return asyncio.run(story())

    return run


def test_on_a_list_and_off_it_again(mta: Any, with_lists: Any) -> None:
    told = mta(
        "suppress",
        "add",
        "Jo@Example.net",
        "@dead.example",
        "--tenant",
        "acme",
        "--reason",
        "by phone",
        "--by",
        "jo",
    )
    assert "2 of 2 are new" in told.output

    async def reasons(lists: Suppressions) -> list[str]:
        return await lists.find("acme", "", ["jo@example.net", "x@dead.example", "bob@example.net"])

    assert with_lists(reasons) == ["by phone", "by phone", ""]
    (shown,) = json.loads(mta("suppress", "show", "jo@example.net", "--json").output)["suppressed"]
    assert (shown["tenant"], shown["reason"], shown["by"]) == ("acme", "by phone", "jo")
    assert "by phone" in mta("suppress", "show", "a@dead.example", "--tenant", "acme").output
    assert "on no list" in mta("suppress", "show", "bob@example.net").output
    assert (
        mta("suppress", "remove", "jo@example.net", "@dead.example", "--tenant", "acme", "--json").output
        == '{"count":2}\n'
    )
    assert with_lists(reasons) == ["", "", ""]
    noted = [json.loads(line) for line in mta("audit", "--what", "address.*", "--json").output.splitlines()]
    assert [one["what"] for one in noted] == ["address.suppress", "address.unsuppress"]
    assert "example.net" not in str(noted)


def test_removing_takes_it_off_every_list_and_forgets_failures(mta: Any, with_lists: Any) -> None:
    async def fill(lists: Suppressions) -> None:
        await lists.add("acme", "", ["jo@example.net"], "mailbox_full", "engine", 5)
        await lists.add("acme", "customers", ["jo@example.net"], "unsubscribed", "web", 5)
        await lists.add("globex", "", ["jo@example.net"], "manual", "x", 5)
        strikes = StrikeBook(lists.client, lists.keys)
        await strikes.write("acme", {lists.digest("jo@example.net"): [("policy", "spring", 5)]})

    with_lists(fill)
    shown = mta("suppress", "show", "jo@example.net", "--tenant", "acme").output
    assert "unsubscribed" in shown
    assert "policy" in shown
    assert "2 entries lifted" in mta("suppress", "remove", "jo@example.net", "--tenant", "acme").output
    left = json.loads(mta("suppress", "show", "jo@example.net", "--json").output)
    assert [one["tenant"] for one in left["suppressed"]] == ["globex"]
    assert left["failures"] == {}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_tenant_takes_its_own_out_and_brings_it_back(
    mta: Any, with_lists: Any, tmp_path: Path, form: str
) -> None:
    async def fill(lists: Suppressions) -> None:
        await lists.add(
            "acme",
            "",
            ["+tag@example.net"],
            "recipient_unknown",
            "engine",
            1_779_840_000_000,
            '550 "x", no',
            "c1",
        )
        await lists.add("acme", "customers", ["@dead.example"], "domain_invalid", "web", 1_779_840_000_000)
        await lists.add("globex", "", ["eve@example.net"], "manual", "x", 5)

    with_lists(fill)
    path = tmp_path / f"out.{form}"
    words = [
        "suppress",
        "export",
        "--tenant",
        "acme",
        "--out",
        path,
        *(["--json"] if form == "jsonl" else []),
    ]
    mta(*words)
    before = path.read_text()
    assert "eve@example.net" not in before
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(before)))
        assert rows[0]["address"] == "'+tag@example.net"  # no formula for a spreadsheet
        assert rows[0]["evidence"] == '550 "x", no'
    with_lists(lambda lists: lists.client.flushall())
    assert "2 of 2 are new" in mta("suppress", "import", path, "--tenant", "acme").output
    assert mta("suppress", "import", path, "--tenant", "acme", "--json").output == '{"count":0}\n'
    mta(*words)
    assert sorted(path.read_text().splitlines()) == sorted(before.splitlines())

    async def reasons(lists: Suppressions) -> list[str]:
        return await lists.find(
            "acme", "customers", ["+tag@example.net", "a@dead.example", "eve@example.net"]
        )

    assert with_lists(reasons) == ["recipient_unknown", "domain_invalid", ""]


def test_files_of_other_programs_are_taken(mta: Any, with_lists: Any, tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.txt", tmp_path / "other.csv"
    plain.write_text("\ufeffa@example.net\n\nb@example.net\n")
    other.write_text("Email,Created,name\nc@example.net,2026-03-01T09:00:00Z,Cee\n")
    mta("suppress", "import", plain, "--tenant", "acme", "--list", "news", "--reason", "old system")
    mta("suppress", "import", other, "--platform")
    found = with_lists(
        lambda lists: lists.find("acme", "news", ["a@example.net", "b@example.net", "c@example.net"])
    )
    assert found == ["old system", "old system", "imported"]
    (row,) = json.loads(mta("suppress", "show", "c@example.net", "--json").output)["suppressed"]
    assert (row["tenant"], row["since"]) == ("", "2026-03-01T09:00:00Z")


@pytest.mark.parametrize(
    "text, name, told",
    [
        ("address\na@example.net\nnobody\n", "x.csv", "x.csv:3: 'nobody' is no address"),
        ("name,age\nx,1\n", "x.csv", "the header names no column `address`"),
        ('{"address":"a@example.net"}\n[1]\n', "x.jsonl", "x.jsonl:2: is no JSON object"),
        ('{"address":"a@example.net","since":"soon"}\n', "x.jsonl", "x.jsonl:1: `since` 'soon'"),
        ('{"digest":"00ff"}\n', "x.jsonl", "x.jsonl:1: has no `address`"),
        ('{"address":"a@example.net","list":"a b"}\n', "x.jsonl", "`list` 'a b'"),
        ("", "x.csv", "holds nobody"),
    ],
)  # fmt: skip
def test_a_bad_line_refuses_the_file_before_anything_is_written(
    mta: Any, secret: bytes, with_lists: Any, tmp_path: Path, text: str, name: str, told: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert told in " ".join(mta("suppress", "import", path, "--tenant", "acme", code=65).output.split())
    assert with_lists(lambda lists: lists.find("acme", "", ["a@example.net"])) == [""]


def test_whose_list_must_be_said_and_the_secret_be_there(mta: Any) -> None:
    assert "--platform" in mta("suppress", "add", "a@example.net", code=64).output
    assert (
        "--platform" in mta("suppress", "add", "a@example.net", "--tenant", "x", "--platform", code=64).output
    )
    assert "tracking.key_file" in mta("suppress", "add", "a@example.net", "--tenant", "acme", code=78).output
    assert "no address" in mta("suppress", "add", "nobody", "--tenant", "acme", code=64).output
