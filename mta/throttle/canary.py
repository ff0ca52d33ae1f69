"""A campaign's canary: who goes first, and what their results say. Pure; time is an argument.

Who goes first is drawn by a digest of the address, so the same people are drawn however often, and by whomever, an
entry is looked at. Shares of results are of those people whose first attempt is over.
"""

from collections.abc import Container, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

MOST: Final = 10_000
"""People of one canary: more say no more."""
BIG: Final = 20
"""Recipients of one domain in a chunk of 256, from which on somebody of that domain is among the first."""
_SCALE: Final = 1 << 64


class Canary(msgspec.Struct, frozen=True):
    """What a campaign asked for: shares between 0 and 1, `wait` in ms.

    `least`: people whose results are needed before anything is concluded from them.
    """

    share: float
    then: str = "hold"  # when all is well: go, or hold until somebody lets it go
    max_bounce: float = 0.05
    max_complaint: float = 0.001
    max_deferral: float = 0.25
    least: int = 20
    wait: int = 1_800_000


class Counts(msgspec.Struct):
    """People by what became of them; `deferred` those who still wait after a first attempt."""

    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    complained: int = 0
    suppressed: int = 0

    @property
    def tried(self) -> int:
        """People whose first attempt is over."""
        return self.delivered + self.deferred + self.bounced


class Judgement(msgspec.Struct, frozen=True):
    """`verdict` wait, stop or pass, and why in words."""

    verdict: str
    reason: str


def draw(
    addresses: Sequence[str], share: float, salt: str, known: Container[str], left: int, *, first: bool
) -> list[int]:
    """Return the positions of those who go first, in order, at most `left`.

    `known` are the domains of which somebody has been drawn before; of a domain with BIG recipients here one is drawn
    anyway, and with `first` (nobody at all was drawn yet) somebody is.
    """
    marks = [_mark(salt, address) for address in addresses]
    chosen = {at for at, mark in enumerate(marks) if mark < share * _SCALE}
    domains: dict[str, list[int]] = {}
    for at, address in enumerate(addresses):
        domains.setdefault(address.rpartition("@")[2], []).append(at)
    for domain, places in domains.items():
        if len(places) >= BIG and domain not in known and chosen.isdisjoint(places):
            chosen.add(min(places, key=marks.__getitem__))
    if first and not chosen and marks:
        chosen.add(min(range(len(marks)), key=marks.__getitem__))
    return sorted(sorted(chosen, key=marks.__getitem__)[: max(0, left)])


def judge(terms: Canary, counts: Counts, chosen: int, began: int, now: int, *, complete: bool) -> Judgement:
    """Say what the results mean; `began` is when the first came (ms since 1970, 0: none yet).

    `complete`: no more people come. A bound counts from `least` results on, or when all there can be are in.
    """
    people = chosen - counts.suppressed
    if complete and chosen and people <= 0:
        return Judgement("stop", "nobody of the canary can be written to: all of them are suppressed")
    enough = min(terms.least, people) if complete else terms.least
    if not began or counts.tried < max(1, enough):
        return Judgement("wait", f"{counts.tried} of {max(1, enough)} results that are needed")
    bounds = (
        ("bounced", counts.bounced, counts.tried, terms.max_bounce),
        ("complained", counts.complained, counts.delivered, terms.max_complaint),
        ("are deferred", counts.deferred, counts.tried, terms.max_deferral),
    )
    over = [
        f"{part} of {whole} {what} ({part / whole:.1%}, the bound is {bound:.1%})"
        for what, part, whole, bound in bounds
        if whole and part / whole > bound
    ]
    if over:
        return Judgement("stop", f"canary: {', '.join(over)}")
    if now - began < terms.wait:
        return Judgement(
            "wait", f"{counts.tried} results; it is watched until {terms.wait // 1000} s are over"
        )
    told = f"{counts.delivered} delivered, {counts.bounced} bounced, {counts.deferred} deferred"
    return Judgement("pass", f"canary: {told}, {counts.complained} complained of {counts.tried}")


def _mark(salt: str, address: str) -> int:
    return int.from_bytes(blake2b(f"{salt}\0{address}".encode(), digest_size=8).digest(), "big")
