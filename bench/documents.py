"""Submissions made from a seed: what a bench hands in, the same in every run.

A person's domain and merge values depend on seed and number alone, never on how people are cut into entries,
so a bench can say of any recipient what must have arrived, and two runs can differ in one factor only.
"""

import random
from base64 import b32encode
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple

from mta.demo.newsletter import Document, entry

COLUMNS = ("email", "ref", "first", "city", "coupon")
MAX_ROWS = 1000  # people in one `recipients` document, by the protocol

FIRST = ("Ada", "Amélie", "Björn", "Carla", "Dóra", "Emil", "Finn", "Greta", "Hana", "Ivo", "Jana", "Kai")
CITY = ("Aarhus", "Bilbao", "Cork", "Delft", "Évora", "Gdańsk", "Köln", "Lille", "Malmö", "Porto", "Tartu")
_TEXT = (
    "about after again against along always amber anchor answer apple april around autumn bakery "
    "basket before better between bread bridge candle carry castle chapter cherry clear cloth coast "
    "colour copper corner cotton early every field floor forest garden gather glass grain green "
    "harbour harvest honest kettle ladder lantern letter linen little market meadow morning mountain "
    "never number ocean orange orchard paper pepper person piece plain porch quiet rather river salt "
    "season second silver simple slow small spoon spring stone story street summer table thread "
    "through timber together under valley velvet village walnut water weather willow window winter "
    "wooden yellow"
)
_WORDS = _TEXT.split()


class Person(NamedTuple):
    """One recipient, in the order of COLUMNS."""

    email: str
    ref: str
    first: str
    city: str
    coupon: str  # 8 characters, different for everybody


class Domains:
    """How people spread over domains d0, d1, ... of a suffix.

    `uniform`, or `zipf` (the k-th domain has 1/k of the first's people). `head` gives that share of all to
    d0 and spreads the rest over the others.
    """

    def __init__(
        self, count: int, spread: str = "uniform", *, head: float = 0.0, suffix: str = "example.test"
    ) -> None:
        if count < 1 or spread not in ("uniform", "zipf") or not 0 <= head < 1:
            raise ValueError(f"no such spread: {count} domains, {spread!r}, head {head}")
        self.count = count
        self.suffix = suffix
        weights = [1.0 / (k + 1) if spread == "zipf" else 1.0 for k in range(count)]
        if head and count > 1:
            rest = sum(weights[1:])
            weights = [head] + [weight / rest * (1 - head) for weight in weights[1:]]
        self._steps = list(accumulate(weights))

    def pick(self, point: float) -> str:
        """Return the domain at `point`, from 0 to below 1."""
        k = min(bisect_right(self._steps, point * self._steps[-1]), self.count - 1)
        return f"d{k}.{self.suffix}"


def person(number: int, domains: Domains, seed: int = 1) -> Person:
    """Return recipient `number` of the population that `seed` makes."""
    raw = blake2b(b"%d:%d" % (seed, number), digest_size=16).digest()
    domain = domains.pick(int.from_bytes(raw[:7], "big") / (1 << 56))
    return Person(
        f"u{number}@{domain}",
        f"r{number}",
        FIRST[raw[7] % len(FIRST)],
        CITY[raw[8] % len(CITY)],
        b32encode(raw[9:14]).decode(),
    )


def tenant_name(number: int) -> str:
    """Return the id of tenant `number`."""
    return f"t{number}"


def tenant_document(number: int, *, selector: str = "s1") -> Document:
    """Return the `tenant` document of tenant `number`: domains t<number>.example and below."""
    name = tenant_name(number)
    domain = f"{name}.example"
    return {
        "id": name,
        "from_domains": [domain],
        "bounce_domain": f"b.{domain}",
        "track_host": f"t.{domain}",
        "classes": ["urgent", "transactional", "bulk"],
        "dkim": [{"domain": domain, "selector": selector}],
    }


def _prose(chance: random.Random, size: int) -> str:
    """Return words of exactly `size` ASCII characters, in lines below 80."""
    lines: list[str] = []
    line, total = "", 0
    while total <= size:
        word = chance.choice(_WORDS)
        if len(line) + len(word) > 76:
            lines.append(line)
            total += len(line) + 1
            line = word
        else:
            line = f"{line} {word}" if line else word
    text = "\n".join(lines)[:size]
    return text.rstrip("\n").ljust(size, "s")


def bodies(
    tenant: str, number: int, *, links: int = 10, html_bytes: int = 12_000, seed: int = 1
) -> tuple[str, str]:
    """Return (text, html), both with the merge fields first, city and coupon, html with `links` links.

    The HTML template has exactly `html_bytes` octets where that is enough for what it must hold.
    """
    chance = random.Random(f"{seed}:{tenant}:{number}")
    host = f"www.{tenant}.example"
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>News</title></head>\n<body>\n'
        '<table role="presentation" width="600"><tbody>\n'
        "<tr><td><h1>Hello {{first|friend}}</h1><p>News for {{city|your town}}: the code {{coupon|NONE}} is "
        "yours alone.</p></td></tr>\n"
    )
    rows = [
        f'<tr><td style="padding:12px;font-family:Arial,sans-serif"><a href="https://{host}/{number}/{n}'
        f'?c={{{{coupon|NONE}}}}">{chance.choice(_WORDS)} {chance.choice(_WORDS)}</a><p>%s</p></td></tr>\n'
        for n in range(links)
    ]
    tail = (
        "<tr><td>For {{first|friend}} in {{city|your town}}</td></tr>\n</tbody></table>\n</body>\n</html>\n"
    )
    rows.append('<tr><td><a href="{{unsubscribe_url}}">unsubscribe</a><p>%s</p></td></tr>\n')
    room = max(0, html_bytes - len(head) - len(tail) - sum(len(row) - 2 for row in rows))
    each, over = divmod(room, len(rows))
    middle = "".join(row % _prose(chance, each + (n < over)) for n, row in enumerate(rows))
    text = (
        "Hello {{first|friend}},\n\nnews for {{city|your town}}: the code {{coupon|NONE}} is yours alone.\n\n"
        f"{_prose(chance, 600)}\n\nhttps://{host}/{number}\n\n{{{{unsubscribe_url}}}}\n"
    )
    return text, head + middle + tail


def campaign_document(
    tenant: str,
    number: int,
    *,
    run: str = "run",
    links: int = 10,
    html_bytes: int = 12_000,
    track: bool = True,
    seed: int = 1,
) -> Document:
    """Return the `campaign` document of bulk campaign `number`; its id is <run>-c<number>."""
    text, html = bodies(tenant, number, links=links, html_bytes=html_bytes, seed=seed)
    return {
        "id": f"{run}-c{number}",
        "tenant": tenant,
        "list": "customers",
        "from": f"News <news@{tenant}.example>",
        "subject": "{{first|Friend}}, news for {{city|your town}}",
        "text": text,
        "html": html,
        "track": {"opens": track, "clicks": track},
        "unsubscribe": True,
    }


def recipients_entry(tenant: str, campaign: str, people: Sequence[Person], *, last: bool = False) -> Document:
    """Return one `recipients` document; raise ValueError when it has more people than the protocol takes."""
    if len(people) > MAX_ROWS:
        raise ValueError(f"a recipients entry holds at most {MAX_ROWS} rows, not {len(people)}")
    rows = [list(one) for one in people]
    return {"tenant": tenant, "campaign": campaign, "columns": list(COLUMNS), "rows": rows, "last": last}


def message_document(
    tenant: str,
    number: int,
    to: Person,
    *,
    run: str = "run",
    links: int = 10,
    html_bytes: int = 12_000,
    track: bool = True,
    seed: int = 1,
) -> Document:
    """Return one complete `message` document, merged from `vars`; its id is <run>-m<number>."""
    # One text per tenant: making 12 KB of words for each message would cost more than sending it.
    text, html = _cached_bodies(tenant, links, html_bytes, seed)
    return {
        "id": f"{run}-m{number}",
        "tenant": tenant,
        "from": f"Orders <orders@{tenant}.example>",
        "to": [to.email],
        "subject": "Your order {{coupon}}, {{first}}",
        "text": text,
        "html": html,
        "vars": {"first": to.first, "city": to.city, "coupon": to.coupon},
        "ref": to.ref,
        "track": {"opens": track, "clicks": track},
    }


_bodies_made: dict[tuple[str, int, int, int], tuple[str, str]] = {}


def _cached_bodies(tenant: str, links: int, html_bytes: int, seed: int) -> tuple[str, str]:
    key = (tenant, links, html_bytes, seed)
    made = _bodies_made.get(key)
    if made is None:
        text, html = bodies(tenant, 0, links=links, html_bytes=html_bytes, seed=seed)
        # A message has no list to leave: what a campaign needs would be refused or stay empty here.
        made = (
            text.replace("\n{{unsubscribe_url}}\n", ""),
            html.replace(
                '<a href="{{unsubscribe_url}}">unsubscribe</a>',
                "<b>thank you for your order, it is on its way</b>",
            ),
        )
        _bodies_made[key] = made
    return made


def campaign_entries(
    tenant: str,
    number: int,
    people: Sequence[Person],
    *,
    run: str = "run",
    rows: int = 500,
    links: int = 10,
    html_bytes: int = 12_000,
) -> Iterator[dict[str, str]]:
    """Yield the XADD fields of one whole bulk campaign: the campaign, then its people, the last so marked."""
    campaign = f"{run}-c{number}"
    document = campaign_document(tenant, number, run=run, links=links, html_bytes=html_bytes)
    yield entry("campaign", tenant, campaign, document)
    for at in range(0, len(people), rows):
        part = recipients_entry(tenant, campaign, people[at : at + rows], last=at + rows >= len(people))
        yield entry("recipients", tenant, f"{campaign}-r{at // rows}", part)
