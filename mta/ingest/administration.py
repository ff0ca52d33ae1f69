"""Check a tenant or a control: documents of the control stream, and who may give which order.

A tenant's own control reaches only its own mail. Domains, sites and sources are shared by all, so orders
about them, and orders about another tenant, come in the name of the reserved tenant `operator`.
"""

import ipaddress
import re
from typing import Final

from mta.identity import is_name
from mta.ingest import documents as wire
from mta.ingest.checked import Addresses, Control, Limit, Scope
from mta.ingest.codes import (
    BAD_ID,
    BAD_SCOPE,
    BAD_VALUE,
    MISSING_MEMBER,
    NO_RECIPIENT,
    OPERATOR_REQUIRED,
    TENANT_MISMATCH,
    UNKNOWN_MEMBER,
    Refused,
)
from mta.ingest.fields import address, domain, few, identifier, line, one_of, own, whole
from mta.ingest.grammar import duration, rate, shown
from mta.message import Class
from mta.tenancy import Profile

OPERATOR: Final = "operator"
"""The tenant name in which whoever runs the engine gives orders; it sends no mail."""

_EVERYWHERE = ("tenant", "campaign", "domain", "site", "source")
SCOPES: Final = {
    "suspend": _EVERYWHERE,
    "resume": _EVERYWHERE,
    "limit": _EVERYWHERE,
    "purge": ("tenant", "campaign", "message", "recipient", "domain", "site"),
    "hold": ("campaign", "tenant"),
    "release": ("campaign", "tenant"),
    "reject": ("campaign",),
    "close": ("campaign",),
}
"""Which scopes each order takes."""
ADDRESS_OPS: Final = ("suppress", "unsuppress", "erase")
_LABELS = tuple(cls.label for cls in Class)
_SHARED = ("domain", "site", "source")
_SITE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?", re.ASCII)
_SELECTOR = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9-]{1,63}){0,3}", re.ASCII
)


def tenant(document: wire.Tenant, owner: str) -> Profile:
    """Return the checked tenant; `id` must be the entry's tenant, unless the operator submits it."""
    if owner != OPERATOR:
        own(document.id, owner, "id")
    identifier(document.id, "id")
    if document.id == OPERATOR:
        raise Refused(BAD_ID, "`id` is `operator`, which is reserved; choose another")
    if not document.from_domains:
        raise Refused(BAD_VALUE, "`from_domains` is empty; name at least one domain the tenant sends from")
    few(document.dkim or [], "dkim", wire.MAX_NAMES)
    privacy = document.privacy or wire.Privacy()
    return Profile(
        id=document.id,
        from_domains=_domains(document.from_domains, "from_domains"),
        bounce_domain=""
        if document.bounce_domain is None
        else domain(document.bounce_domain, "bounce_domain"),
        track_host="" if document.track_host is None else domain(document.track_host, "track_host"),
        weight=whole(document.weight, "weight", 1, 1000, 1),
        classes=[one_of(label, "classes", _LABELS) for label in dict.fromkeys(document.classes or ())],
        rate=0.0 if document.rate is None else rate(document.rate, "rate").per_second,
        quota=_daily(document.quota, "quota"),
        urgent_quota=_daily(document.urgent_quota, "urgent_quota"),
        dkim=[_key(key, f"dkim[{n}]") for n, key in enumerate(document.dkim or ())],
        pools=_pools(document.pools or []),
        review=document.review,
        ip=one_of(privacy.ip or "truncate", "privacy.ip", ("keep", "truncate", "drop")),
        opens=privacy.opens is not False,
        clicks=privacy.clicks is not False,
    )


def control(document: wire.Control, owner: str) -> Control | Addresses:
    """Return the checked order: about mail (Control) or about addresses (Addresses)."""
    one_of(document.op, "op", (*SCOPES, *ADDRESS_OPS))
    reason = line(document.reason, "reason", wire.MAX_TEXT)
    by = line(document.by, "by", wire.MAX_TEXT)
    if document.op in ADDRESS_OPS:
        _none_of(document, ("scope", "limit"), "for")
        return _addresses(document, owner, reason, by)
    _none_of(document, ("tenant", "list_", "addresses"), "")
    if document.scope is None:
        raise Refused(MISSING_MEMBER, f"`$.scope` is missing; `{document.op}` needs it")
    if document.duration is not None and document.op not in ("suspend", "limit"):
        raise Refused(UNKNOWN_MEMBER, f"`for` has no meaning with `{document.op}`; leave it out")
    if (document.limit is None) is (document.op == "limit"):
        raise Refused(
            MISSING_MEMBER, "`limit` belongs to the op `limit`, which needs it; give both or neither"
        )
    return Control(
        op=document.op,
        scope=_scope(document.scope, document.op, owner),
        duration=None if document.duration is None else duration(document.duration, "for"),
        limit=None if document.limit is None else _limit(document.limit),
        reason=reason,
        by=by,
    )


def _none_of(document: wire.Control, names: tuple[str, ...], also: str) -> None:
    for name in names:
        if getattr(document, name) is not None:
            raise Refused(
                UNKNOWN_MEMBER, f"`{name.rstrip('_')}` has no meaning with `{document.op}`; leave it out"
            )
    if also and document.duration is not None:
        raise Refused(UNKNOWN_MEMBER, f"`{also}` has no meaning with `{document.op}`; leave it out")


def _addresses(document: wire.Control, owner: str, reason: str, by: str) -> Addresses:
    if owner != OPERATOR:
        own(document.tenant, owner)
    elif document.tenant is not None:
        identifier(document.tenant, "tenant")
    named = (document.tenant or "") if owner == OPERATOR else owner
    if not document.addresses:
        raise Refused(NO_RECIPIENT, "`addresses` is empty; name at least one")
    few(document.addresses, "addresses", wire.MAX_NAMES)
    return Addresses(
        op=document.op,
        tenant="" if named == OPERATOR else named,
        list_="" if document.list_ is None else identifier(document.list_, "list"),
        addresses=tuple(address(text, f"addresses[{n}]") for n, text in enumerate(document.addresses)),
        reason=reason,
        by=by,
    )


def _scope(scope: wire.Scope, op: str, owner: str) -> Scope:
    given = {name for name in scope.__struct_fields__ if getattr(scope, name) is not None}
    inner = given - {"tenant"}
    kind = inner.pop() if len(inner) == 1 else "tenant"
    if inner or not given or kind not in SCOPES[op] or (kind in _SHARED and "tenant" in given):
        raise Refused(
            BAD_SCOPE, f"`scope` must be one of {', '.join(SCOPES[op])} for `{op}`, and name nothing else"
        )
    named = scope.tenant
    if owner == OPERATOR:
        if named is not None:
            identifier(named, "scope.tenant")
        elif kind in ("campaign", "message"):
            raise Refused(MISSING_MEMBER, f"`$.scope.tenant` is missing; an operator's {kind} needs it")
    elif kind in _SHARED:
        raise Refused(
            OPERATOR_REQUIRED, f"`scope.{kind}` is shared by all tenants; submit with tenant `{OPERATOR}`"
        )
    elif kind == "tenant" and op == "release":
        raise Refused(OPERATOR_REQUIRED, f"a tenant does not release itself; submit with tenant `{OPERATOR}`")
    elif named not in (None, owner):
        raise Refused(
            TENANT_MISMATCH,
            f"`scope.tenant` is {shown(named)} but the entry says {shown(owner)}; submit it as that tenant",
        )
    value = "" if kind == "tenant" else _scope_value(kind, getattr(scope, kind))
    return Scope(kind, value, (named or "") if owner == OPERATOR else owner)


def _scope_value(kind: str, text: str) -> str:
    field = f"scope.{kind}"
    if kind == "campaign":
        return identifier(text, field)
    if kind == "message":
        if not is_name(text):
            raise Refused(
                BAD_ID, f"`{field}` is {shown(text)}; write a message id, or one with its recipient number"
            )
        return text
    if kind == "recipient":
        return str(address(text, field))
    if kind == "domain":
        return domain(text, field)
    if kind == "site":
        if not _SITE.fullmatch(text.lower()):
            raise Refused(BAD_VALUE, f"`{field}` is {shown(text)}; write a site as `mta queue show` names it")
        return text.lower()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return identifier(text, field)


def _limit(limit: wire.Limit) -> Limit:
    if limit.rate is None and limit.connections is None:
        raise Refused(
            MISSING_MEMBER, "`$.limit.rate` and `$.limit.connections` are missing; give one of them"
        )
    count = limit.connections
    return Limit(
        None if limit.rate is None else rate(limit.rate, "limit.rate"),
        None if count is None else whole(count, "limit.connections", 1, 10000, 1),
    )


def _daily(text: str | None, field: str) -> float:
    if text is None:
        return 0.0
    found = rate(text, field)
    if found.seconds != 86400:
        raise Refused(BAD_VALUE, f"`{field}` is {shown(text)}; a quota counts per day, such as 20000/day")
    return float(found.count)


def _domains(names: list[str], field: str) -> list[str]:
    few(names, field, wire.MAX_NAMES)
    return list(dict.fromkeys(domain(name, f"{field}[{n}]") for n, name in enumerate(names)))


def _pools(names: list[str]) -> list[str]:
    few(names, "pools", wire.MAX_NAMES)
    return list(dict.fromkeys(identifier(name, f"pools[{n}]") for n, name in enumerate(names)))


def _key(key: wire.DkimKey, at: str) -> tuple[str, str]:
    if not _SELECTOR.fullmatch(key.selector):
        raise Refused(BAD_VALUE, f"`{at}.selector` is {shown(key.selector)}; write a DNS label such as s1")
    return domain(key.domain, f"{at}.domain"), key.selector
