"""What TLS a host must show before mail goes to it: one decision from all that is known.

DANE comes before MTA-STS (RFC 8461 section 2), that before the operator's rule for the domain, that before the default.
A lower one never weakens a higher one; where the higher one only asks for encryption, a lower one may ask for more.
"""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Literal

from mta.policy import dane, mtasts


class Level(IntEnum):
    """How much is asked of a session, from nothing to a server named by signed DNS."""

    NONE = 0  # no TLS, even where it is offered
    MAY = 1  # encrypt where offered, in clear otherwise
    ENCRYPT = 2  # encrypt, whoever is there
    VERIFY = 3  # a certificate of a known authority, for one of `names`
    DANE = 4  # a certificate that a TLSA record names


class Wish(StrEnum):
    """What a message asks of its way (RFC 8689)."""

    NORMAL = "normal"
    REQUIRE = "require"  # MAIL FROM with REQUIRETLS
    RELAX = "relax"  # the header TLS-Required: No


@dataclass(frozen=True, slots=True)
class Rule:
    """The operator's rule; `names` for VERIFY: host names, or `.example.com` for all below; none = the MX host.

    DANE here means: to hosts with usable TLSA records or not at all.
    """

    level: Level = Level.MAY
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """Validated TLSA records of a host, also those that can't be used; or why there is no answer (`trouble`).

    `base` is the name they stand at, which is a name of the server too (RFC 7672 section 3.2.2).
    """

    records: tuple[dane.Tlsa, ...] = ()
    base: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the decision depends on."""

    domain: str  # the recipients'
    host: str  # its MX
    default: Rule = Rule()
    rule: Rule | None = None  # the operator's for this domain
    sts: mtasts.Policy | None = None  # one that still holds
    sts_fault: str = ""  # why its last fetch failed (RFC 8460 section 4.3)
    tlsa: Signed | None = None  # None: no TLSA records, or nothing validated
    anchors: bool = True  # whether a server's chain can be had: TLSA usage 2 is usable
    mx_secure: bool = False  # the MX answer was validated
    wish: Wish = Wish.NORMAL


PolicyType = Literal["tlsa", "sts", "no-policy-found"]


@dataclass(frozen=True, slots=True)
class Published:
    """The policy that was found, as a TLS report names it (RFC 8460 section 4.2); `patterns` are its MX patterns."""

    kind: PolicyType = "no-policy-found"
    lines: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


By = Literal["default", "domain", "sts", "dane", "message"]


@dataclass(frozen=True, slots=True)
class TlsNeed:
    """What a session with one host needs.

    `refuse` says why no mail may go there now, `fault` names that for a TLS report (RFC 8460 section 4.3). `trial`
    are names that a policy in testing would ask for: that they are not there is told and forgiven.
    """

    level: Level = Level.MAY
    by: By = "default"
    names: tuple[str, ...] = ()
    tlsa: tuple[dane.Tlsa, ...] = ()
    refuse: str = ""
    fault: str = ""
    trial: tuple[str, ...] = ()
    published: Published = Published()

    @property
    def strict(self) -> bool:
        """Whether mail must never go in clear."""
        return self.level >= Level.ENCRYPT


def decide(facts: Facts) -> TlsNeed:
    """Return what the host needs; never raises. When `refuse` is set the mail waits or takes another host."""
    if facts.wish is Wish.RELAX:
        # The sender would rather be read by others than not be read (RFC 8689 section 3); what the domain published
        # is passed over, what our operator wrote is not.
        facts = replace(facts, sts=None, tlsa=None)
    need = replace(_lower(facts), published=_published(facts))
    if facts.tlsa is not None:
        need = _dane(facts, facts.tlsa, need)
    if facts.wish is Wish.REQUIRE:
        need = _required(facts, need)
    if need.level is Level.DANE and not need.tlsa and not need.refuse:
        why = f"{facts.host} has no usable TLSA record, and the rule for {facts.domain} requires one"
        return replace(need, refuse=why, fault="dane-required")
    return need


def _published(facts: Facts) -> Published:
    if facts.tlsa is not None and (facts.tlsa.records or facts.tlsa.trouble):
        return Published("tlsa", tuple(map(str, facts.tlsa.records)))
    if facts.sts is not None and facts.sts.mode != "none":
        return Published("sts", facts.sts.lines, facts.sts.mx)
    if facts.sts is None and facts.sts_fault:
        return Published("sts")
    return Published()


def _dane(facts: Facts, found: Signed, lower: TlsNeed) -> TlsNeed:
    if found.trouble:
        # No answer may mean that somebody hides one (RFC 7672 section 2.1.2).
        return TlsNeed(
            Level.DANE, "dane", refuse=found.trouble, fault="dnssec-invalid", published=lower.published
        )
    usable = dane.usable(found.records, anchors=facts.anchors)
    if usable:
        names = tuple(dict.fromkeys(name for name in (found.base, facts.host, facts.domain) if name))
        return TlsNeed(Level.DANE, "dane", names, usable, published=lower.published)
    if found.records and lower.level < Level.ENCRYPT and not lower.refuse:
        return replace(lower, level=Level.ENCRYPT, by="dane", fault=lower.fault or "tlsa-invalid")
    return lower


def _lower(facts: Facts) -> TlsNeed:
    rule, by = (facts.default, "default") if facts.rule is None else (facts.rule, "domain")
    names = (rule.names or (facts.host,)) if rule.level is Level.VERIFY else ()
    need = TlsNeed(rule.level, "default" if by == "default" else "domain", names)
    sts = facts.sts
    if sts is None:
        return replace(need, fault=facts.sts_fault)
    if sts.mode == "none":
        return need
    if sts.mode == "enforce":
        if sts.allows(facts.host):
            return TlsNeed(Level.VERIFY, "sts", (facts.host,))
        why = f"{facts.host} is no mail host by the MTA-STS policy of {facts.domain}"
        return TlsNeed(Level.VERIFY, "sts", (facts.host,), refuse=why, fault="validation-failure")
    if sts.allows(facts.host):
        return replace(need, trial=(facts.host,)) if need.level > Level.NONE else need
    return replace(need, fault="validation-failure")


def _required(facts: Facts, need: TlsNeed) -> TlsNeed:
    """REQUIRETLS: a host known by more than plain DNS must prove that it is that host (RFC 8689 section 4.2.1)."""
    if need.level >= Level.VERIFY or need.refuse:
        return need
    if facts.mx_secure:
        return replace(need, level=Level.VERIFY, by="message", names=(facts.host,))
    why = f"nothing vouches for {facts.host} as a mail host of {facts.domain}, and the message requires it"
    return replace(need, level=Level.VERIFY, by="message", names=(facts.host,), refuse=why)
