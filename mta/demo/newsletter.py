"""What the demo sends: a newsletter like a shop's, an urgent notice, and people to send them to.

Everything is made from a seed, and comes out as the documents of the queue protocol: what the demo hands in
is what any web tier would.
"""

import csv
import io
import json
import random
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from mta.demo import town

COLUMNS = ("email", "name", "ref", "first", "city", "coupon")
ROWS_PER_ENTRY = 1000  # the protocol's limit
MAX_PEOPLE = 10_000_000
_COUPON = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without the letters that look like digits

Document = dict[str, object]


@cache
def asset(name: str) -> str:
    """Return the text of one file under `assets`."""
    return (files("mta.demo") / "assets" / name).read_text(encoding="utf-8")


@cache
def names() -> dict[str, tuple[str, ...]]:
    """Return the lists of names.txt by heading: first names, last names, cities."""
    lists: dict[str, list[str]] = {}
    heading = ""
    for line in asset("names.txt").splitlines():
        if line.startswith("# "):
            heading = line[2:]
        elif line:
            lists.setdefault(heading, []).append(line)
    return {heading: tuple(lines) for heading, lines in lists.items()}


def recipients_csv(count: int, domains: Mapping[str, int] | None = None, seed: int = 1) -> str:
    """Return CSV text with COLUMNS and `count` people, spread over `domains` (name -> weight) by weight.

    Addresses are unique; one city in twenty is empty, so that defaults show.
    """
    if not 0 <= count <= MAX_PEOPLE:
        raise ValueError(f"count must lie between 0 and {MAX_PEOPLE}")
    chance = random.Random(seed)
    places = dict(domains or town.weights())
    drawn = chance.choices(list(places), weights=list(places.values()), k=count) if count else []
    lists = names()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    writer.writerow(COLUMNS)
    for number, domain in enumerate(drawn):
        first, last = chance.choice(lists["first names"]), chance.choice(lists["last names"])
        city = "" if chance.random() < 0.05 else chance.choice(lists["cities"])
        coupon = "".join(chance.choices(_COUPON, k=8))
        local = f"{_plain(first)}.{_plain(last)}.{number}".strip(".")
        writer.writerow((f"{local}@{domain}", f"{first} {last}", f"c-{number:06}", first, city, coupon))
    return text.getvalue()


def _plain(text: str) -> str:
    """Return the ASCII letters of `text` in lower case, accents dropped; may be empty."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isascii() and c.isalpha()).lower()


def recipients(people: str, tenant: str, campaign: str) -> list[Document]:
    """Return `recipients` documents for CSV text whose first line names the columns; the last says so."""
    columns, *rows = list(csv.reader(io.StringIO(people, newline="")))
    parts = [rows[at : at + ROWS_PER_ENTRY] for at in range(0, len(rows), ROWS_PER_ENTRY)] or [[]]
    return [
        {
            "tenant": tenant,
            "campaign": campaign,
            "columns": columns,
            "rows": part,
            "last": number == len(parts) - 1,
        }
        for number, part in enumerate(parts)
    ]


def documents(
    people: str,
    *,
    tenant: str = "shop",
    campaign: str = "spring",
    sender: str = "The Shop <news@shop.example>",
    list_: str = "customers",
) -> tuple[Document, list[Document]]:
    """Return the newsletter's campaign document, for the bulk stream, and its recipients documents."""
    document: Document = {
        "id": campaign,
        "tenant": tenant,
        "list": list_,
        "from": sender,
        "subject": "{{first|Friend}}, the table is laid",
        "html": asset("newsletter.html"),
        "text": asset("newsletter.txt"),
        "track": {"opens": True, "clicks": True},
        "unsubscribe": True,
    }
    return document, recipients(people, tenant, campaign)


def notice(
    people: str,
    *,
    tenant: str = "shop",
    campaign: str = "notice",
    sender: str = "The Shop Security <security@shop.example>",
) -> tuple[Document, list[Document]]:
    """Return an urgent notice to everybody, for the urgent stream: not tracked, not to be unsubscribed."""
    document: Document = {
        "id": campaign,
        "tenant": tenant,
        "from": sender,
        "subject": "Please set a new password for your account",
        "html": asset("notice.html"),
        "text": asset("notice.txt"),
        "track": {"opens": False, "clicks": False},
        "unsubscribe": False,
    }
    return document, recipients(people, tenant, campaign)


def entry(kind: str, tenant: str, key: str, document: Mapping[str, object]) -> dict[str, str]:
    """Return the fields of one submission: `XADD mta:submit:<class> * <these>`."""
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return {"v": "1", "kind": kind, "tenant": tenant, "key": key, "data": data}


def entries(campaign: Document, parts: Sequence[Document], run: str = "1") -> list[dict[str, str]]:
    """Return the submissions of one mailing in order; `run` keeps the keys of two runs apart."""
    tenant, name = str(campaign["tenant"]), str(campaign["id"])
    found = [entry("campaign", tenant, f"{name}.{run}", campaign)]
    for number, part in enumerate(parts):
        found.append(entry("recipients", tenant, f"{name}.{run}.{number}", part))
    return found
