"""What making one message costs apart from its RSA signature: tokens, render, links, beacon, body hash.

python -m bench.content --json [--quick]

Everybody's message is another one, as in a campaign: address, id, merge values, tokens. Process CPU in
microseconds, the median of several series; the quickest series is given too, since other work on the machine can
only add.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import click

from bench.documents import Domains, Person, campaign_document, person
from bench.machine import machine
from mta.dkim.selection import select
from mta.message import MessageId
from mta.mime.compile import compile as compile_document
from mta.mime.compiled import Compiled
from mta.mime.document import Document, Rendered, Urls
from mta.mime.document import Person as Reader
from mta.tracking import links, unsubscribe
from mta.tracking.token import Keys, Purpose, make_packed

SCHEMA = 1
SERIES = 7
BASE = "https://t.t0.example"
DATE = "Tue, 14 Nov 2023 22:13:20 +0000"
DAY = 19_675
# name, octets of HTML, links, bound in microseconds of one message without signature
CASES = (("12 KB, 10 links", 12_000, 10, 60.0), ("30 KB, 40 links", 30_000, 40, 120.0))
MESSAGES, QUICK_MESSAGES = 3000, 200
COMPILATIONS, QUICK_COMPILATIONS = 30, 3


def document_of(html_bytes: int, count: int, *, text: bool = True, cyrillic: bool = False) -> Document:
    """Return the campaign of `bench.documents`; without `text` it has none."""
    made = campaign_document("t0", 0, links=count, html_bytes=html_bytes)
    html = made["html"].translate(_CYRILLIC) if cyrillic else made["html"]
    return Document(made["from"], made["subject"], made["text"] if text else None, html)


# Prose only: capitals and what makes up markup, names and addresses keep their letters.
_CYRILLIC = {ord(latin): other for latin, other in zip("qjxz", "йжхз", strict=True)}


class Maker:
    """Makes message after message as a worker does, tokens and all, up to the signature."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.keys = Keys(0, {0: b"k" * 32})

    def urls(self, packed: bytes) -> Urls:
        """Return a recipient's signed addresses."""
        keys = self.keys
        return Urls(
            open=links.open_url(BASE, make_packed(keys, Purpose.OPEN, packed, DAY)),
            click=links.click_prefix(BASE, make_packed(keys, Purpose.CLICK, packed, DAY)),
            unsubscribe=links.unsubscribe_url(BASE, make_packed(keys, Purpose.UNSUBSCRIBE, packed, DAY)),
        )

    def message(self, number: int, one: Person) -> Rendered:
        """Return the rendered message: return path token, links, beacon, list headers, body hash."""
        packed = MessageId(0, number, number & 0xFFFF).pack()
        sender = make_packed(self.keys, Purpose.RETURN, packed, DAY)
        urls = self.urls(packed)
        token = urls.unsubscribe.rpartition("/")[2]
        extra = unsubscribe.headers(
            urls.unsubscribe, f"leave+{token}@b.t0.example", "customers.t0.example", feedback_id="c:l:t0:mta"
        )
        reader = Reader(one.email, "", _values(self.compiled, one))
        return self.compiled.render(reader, urls, DATE, f"<{sender}@t0.example>", extra)


def _values(compiled: Compiled, one: Person) -> list[str]:
    known = one._asdict()
    return [known[field.name] for field in compiled.fields]


def timed(series: int, count: int, work: Callable[[int], object]) -> dict[str, float]:
    """Return microseconds of CPU for one call, from `series` times `count` calls over growing numbers."""
    found = []
    for round_ in range(series):
        first = round_ * count
        began = time.process_time()
        for number in range(first, first + count):
            work(number)
        found.append((time.process_time() - began) / count * 1e6)
    return {"median": round(statistics.median(found), 1), "best": round(min(found), 1)}


def measure(name: str, document: Document, people: Sequence[Person], compilations: int) -> dict[str, Any]:
    """Return what one document costs: to compile, and for each message; `people` are cut into SERIES."""
    compiled = compile_document(document)
    # Nobody comes twice, in no series: what is remembered of one message must not help another one's figure.
    maker, count = Maker(compiled), len(people) // SERIES
    packed = [MessageId(0, number, 0).pack() for number in range(len(people))]
    readers = [Reader(one.email, "", _values(compiled, one)) for one in people]
    heads = [maker.message(number, one).fields for number, one in enumerate(people)]
    urls = maker.urls(packed[0])
    sample = maker.message(0, people[0])
    body = b"".join(sample.body)
    return {
        "case": name,
        "octets": sum(map(len, sample.fields)) + sum(map(len, sample.body)) + 2,
        "links": len(compiled.links),
        "compile_us": timed(3, max(1, compilations // 3), lambda _: compile_document(document)),
        "message_us": timed(SERIES, count, lambda n: maker.message(n, people[n])),
        "of_it": {
            "tokens_us": timed(SERIES, count, lambda n: maker.urls(packed[n])),
            "render_us": timed(
                SERIES, count, lambda n: compiled.render(readers[n], urls, DATE, f"<{n}@t0.example>")
            ),
            "hash_us": timed(SERIES, count, lambda _: sha256(body).digest()),
        },
        "header_canonical_us": timed(SERIES, count, lambda n: select(heads[n])),
    }


def run(messages: int, compilations: int) -> dict[str, Any]:
    """Measure all cases; return the document."""
    domains = Domains(50)
    people = [person(number, domains) for number in range(messages * SERIES)]
    cases = []
    for name, html_bytes, count, bound in CASES:
        found = measure(name, document_of(html_bytes, count), people, compilations)
        cases.append(found | {"bound_us": bound, "within": found["message_us"]["best"] <= bound})
    html_bytes, count = CASES[0][1:3]
    for name, document in (
        ("12 KB, 10 links, no text given", document_of(html_bytes, count, text=False)),
        ("12 KB, 10 links, other letters", document_of(html_bytes, count, cyrillic=True)),
    ):
        cases.append(measure(name, document, people, compilations))
    return {"bench": "content", "schema": SCHEMA, "machine": machine(), "messages": messages, "cases": cases}


@click.command()
@click.option("--quick", is_flag=True, help="Few messages: enough to see that it works, not to be quoted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def main(quick: bool, as_json: bool) -> None:
    """Measure what rendering costs."""
    sizes = (QUICK_MESSAGES, QUICK_COMPILATIONS) if quick else (MESSAGES, COMPILATIONS)
    document = run(*sizes)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    for case in document["cases"]:
        us, compiling = case["message_us"], case["compile_us"]
        click.echo(
            f"{case['case']}: {us['median']} us a message (best {us['best']}), compiled in {compiling['median']} us"
        )


if __name__ == "__main__":
    main()
