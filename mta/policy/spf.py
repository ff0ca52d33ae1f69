"""Who may send for a domain: SPF as receivers evaluate it (RFC 7208), for whoever wants to know before they do.

Pure: the evaluation asks its DNS questions by `yield` and is sent the answers, so that it needs neither clock nor
network. The engine's own mail is never judged by it.
"""

import ipaddress
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from mta.policy.spf_macros import Sender, expanded
from mta.policy.spf_record import Mechanism, RecordError, parse

MAX_LOOKUPS: Final = 10
"""Terms that ask the DNS (RFC 7208 section 4.6.4)."""
MAX_VOID: Final = 2  # of them, those that find nothing
MAX_HOSTS: Final = 10  # hosts looked at for one mx or ptr
RESULTS: Final = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

Question = tuple[str, str]
"""A name and TXT, A, AAAA, PTR or MX (hosts without their preference)."""
Found = tuple[str, ...] | None
"""What the DNS says, empty where there is nothing; None: it did not answer."""
Asking = Generator[Question, Found, "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`result` is none, neutral, pass, fail, softfail, temperror or permerror (section 2.6); `why` in words."""

    result: str
    why: str = ""


class _Ends(Exception):
    """The evaluation can't go on; carries its outcome."""

    def __init__(self, result: str, why: str) -> None:
        super().__init__(why)
        self.outcome = Outcome(result, why)


def check(address: str, domain: str, helo: str, local: str = "postmaster") -> Asking:
    """Yield DNS questions, be sent the answers, and return what `domain` says of mail that comes from `address`."""
    evaluation = _Evaluation(Sender(ipaddress.ip_address(address), local, domain, helo))
    try:
        return (yield from evaluation.policy(domain))
    except _Ends as end:
        return end.outcome


class _Evaluation:
    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.lookups = 0
        self.void = 0

    def policy(self, domain: str) -> Asking:
        texts = yield (domain, "TXT")
        if texts is None:
            raise _Ends("temperror", f"the DNS gives no answer for {domain}")
        records = [text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]
        if not records:
            return Outcome("none", f"{domain} has no SPF record")
        if len(records) > 1:
            raise _Ends("permerror", f"{domain} has {len(records)} SPF records; keep one")
        try:
            mechanisms, redirect = parse(records[0])
        except RecordError as error:
            raise _Ends("permerror", f"the SPF record of {domain} can't be read: {error}") from error
        for one in mechanisms:
            if (yield from self._matches(one, domain)):
                return Outcome(RESULTS[one.qualifier], f"{one.text} in the record of {domain}")
        if redirect:
            self._count(f"redirect={redirect}")
            target = self._target(redirect, domain)
            told = yield from self.policy(target)
            if told.result == "none":
                raise _Ends("permerror", f"{domain} redirects to {target}, which has no SPF record")
            return told
        return Outcome("neutral", f"nothing in the record of {domain} matches")

    def _matches(self, one: Mechanism, domain: str) -> Generator[Question, Found, bool]:
        address = self.sender.address
        if one.name == "all":
            return True
        if one.name in ("ip4", "ip6"):
            return address.version == int(one.name[2]) and address in ipaddress.ip_network(
                one.value, strict=False
            )
        self._count(one.text)
        target = self._target(one.value, domain) if one.value else domain
        if one.name == "include":
            told = yield from self.policy(target)
            if told.result == "none":
                raise _Ends("permerror", f"{domain} includes {target}, which has no SPF record")
            return told.result == "pass"
        if one.name == "exists":
            return bool((yield from self._ask(target, "A")))
        if one.name == "ptr":
            return (yield from self._points(target))
        hosts = [target]
        if one.name == "mx":
            found = yield from self._ask(target, "MX")
            if len(found) > MAX_HOSTS:
                raise _Ends("permerror", f"{target} has more than {MAX_HOSTS} MX hosts")
            hosts = list(found)
        kind, length = ("A", one.length4) if address.version == 4 else ("AAAA", one.length6)
        for host in hosts:
            for text in (yield from self._ask(host, kind, counts=one.name == "a")):
                if address in ipaddress.ip_network(f"{text}/{length}", strict=False):
                    return True
        return False

    def _points(self, target: str) -> Generator[Question, Found, bool]:
        """Section 5.5: a name of the address, that leads back to it, in the target domain. Silence is no match."""
        address = self.sender.address
        hosts = yield (address.reverse_pointer, "PTR")
        kind = "A" if address.version == 4 else "AAAA"
        for host in (hosts or ())[:MAX_HOSTS]:
            if f".{host}".endswith(f".{target}"):
                found = yield (host, kind)
                if any(ipaddress.ip_address(text) == address for text in found or ()):
                    return True
        return False

    def _ask(
        self, name: str, kind: str, *, counts: bool = True
    ) -> Generator[Question, Found, tuple[str, ...]]:
        found = yield (name, kind)
        if found is None:
            raise _Ends("temperror", f"the DNS gives no answer for {name} {kind}")
        if not found and counts:
            self.void += 1
            if self.void > MAX_VOID:
                raise _Ends(
                    "permerror", f"more than {MAX_VOID} look-ups find nothing, the last was {name} {kind}"
                )
        return found

    def _count(self, text: str) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _Ends("permerror", f"more than {MAX_LOOKUPS} look-ups are needed, the last is {text}")

    def _target(self, value: str, domain: str) -> str:
        try:
            return expanded(value, self.sender, domain)
        except ValueError as error:
            raise _Ends("permerror", f"{value}: {error}") from error
