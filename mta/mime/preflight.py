"""A look at a mailing before it is sent: what would hurt, each with its cure (`mta.mime.finding` has the words).

Three looks, all pure: at the document, at a page as one reader gets it, and at a finished message's bytes.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from mta.mime import targets
from mta.mime.document import Document
from mta.mime.finding import CLIPPED, FEW_WORDS, LARGE, LINE, SUBJECT, Finding, finding, shown
from mta.mime.merge import BUILT_IN, Field
from mta.mime.outline import Outline, outline

MOST_OF_A_CODE: Final = 5
"""Findings of one code that are told one by one."""

_FOREIGN = {
    "*|NAME|*": re.compile(r"\*\|[A-Z][A-Z0-9_:]*\|\*"),
    "%%name%%": re.compile(r"%%[A-Za-z_][\w ]*%%"),
    "<%= name %>": re.compile(r"<%=.{1,80}?%>"),
    "${name}": re.compile(r"\$\{[A-Za-z_][\w.]*\}"),
    "[[name]]": re.compile(r"\[\[[A-Za-z_][\w.]*\]\]"),
    "{% tag %}": re.compile(r"\{%.{1,80}?%\}"),
}
_REPLY = re.compile(r"(?:re|fwd?|aw|wg|sv|tr|rif)\s*:", re.I)
_LINK_FIELD = re.compile(r"(?:href|src|background)\s*=\s*[\"']?\s*\{\{\{?\s*([\w.-]+)", re.I)
_UNSUBSCRIBE = re.compile(r"\{\{\{?\s*unsubscribe_url\b")


def document(content: Document, *, bulk: bool) -> list[Finding]:
    """Return what is wrong with a document as its producer wrote it; `bulk`: nobody asked for this very mail."""
    found: list[Finding] = []
    subject = content.subject.strip()
    if not subject:
        found.append(finding("subject-empty", "subject"))
    elif len(subject) > SUBJECT:
        found.append(finding("subject-long", "subject", count=len(subject)))
    if bulk and _REPLY.match(subject):
        found.append(finding("subject-reply", "subject", subject=shown(subject)))
    if "<" not in content.sender:
        found.append(finding("from-name", "from"))
    if content.html and not (content.text or "").strip():
        found.append(finding("text-missing", "text"))
    if bulk:
        bodies = {name: body for name, body in (("html", content.html), ("text", content.text)) if body}
        lacking = [name for name, body in bodies.items() if not _UNSUBSCRIBE.search(body)]
        if lacking and len(lacking) == len(bodies):
            found.append(finding("unsubscribe-missing", lacking[0]))
        elif lacking:
            found.append(finding("unsubscribe-one-part", lacking[0], part=lacking[0]))
    for where, body in (("subject", content.subject), ("text", content.text), ("html", content.html)):
        for kind, pattern in _FOREIGN.items():
            if match := pattern.search(body or ""):
                found.append(finding("merge-foreign", where, found=shown(match[0]), kind=kind))
    return found


def fields(wanted: Iterable[Field], columns: Iterable[str]) -> list[Finding]:
    """Return the merge fields that no column fills: with no default, every recipient would be refused."""
    have, found = list(columns), []
    for field in wanted:
        if field.name in have or field.default is not None:
            continue
        close = get_close_matches(field.name, [*have, *BUILT_IN], n=1, cutoff=0.6)
        meant = f" Did you mean {{{{{close[0]}}}}}?" if close else ""
        found.append(finding("field-unknown", "columns", name=field.name, meant=meant))
    return found


def stand_ins(content: Document, wanted: Iterable[Field]) -> dict[str, str]:
    """Return a value for each merge field, to look at a mailing whose recipients are not at hand."""
    in_links = set(_LINK_FIELD.findall(content.html or ""))
    out = {}
    for field in wanted:
        made = "https://www.example/" if field.name in in_links else field.name
        out[field.name] = field.default or made
    return out


def page(html: str, cids: Iterable[str]) -> list[Finding]:
    """Return what is wrong with a page as one reader gets it, before tracking; `cids` are those of attachments."""
    seen = outline(html)
    found = [fault for anchor in seen.anchors if (fault := targets.check(anchor))]
    found += _pictures(seen, frozenset(cids))
    found += [finding("element-stripped", "html", name=name) for name in sorted(seen.stripped)]
    if seen.stylesheets:
        found.append(finding("style-external", "html"))
    return found


def _pictures(seen: Outline, cids: frozenset[str]) -> list[Finding]:
    found = []
    for picture in seen.pictures:
        src, target = picture.src.strip(), shown(picture.src)
        scheme = src[:8].lower()
        if picture.alt is None:
            found.append(finding("alt-missing", "html", target=target))
        if scheme.startswith("cid:"):
            if src[4:] not in cids:
                found.append(finding("picture-cid", "html", target=target))
        elif scheme.startswith("data:"):
            found.append(finding("picture-data", "html"))
        elif not scheme.startswith(("http://", "https://")):
            found.append(finding("picture-relative", "html", target=target))
    if seen.pictures and len(seen.words) < FEW_WORDS:
        found.append(finding("words-few", "html", count=len(seen.words)))
    return found


def message(data: bytes, html_octets: int = 0) -> list[Finding]:
    """Return what is wrong with a finished message; `html_octets` are those of its HTML before encoding."""
    found = []
    if html_octets > CLIPPED:
        found.append(finding("html-clipped", "html", count=html_octets))
    if len(data) > LARGE:
        found.append(finding("message-large", "attachments", count=len(data)))
    longest = max(map(len, data.split(b"\r\n")))
    if longest > LINE:
        found.append(finding("line-long", "headers", count=longest))
    return found


def empty_fields(values: Mapping[str, str], wanted: Iterable[Field]) -> list[str]:
    """Return the merge fields that would be empty for these values, so that a sentence has a hole."""
    return [field.name for field in wanted if not field.default and not values.get(field.name)]


def gathered(found: Iterable[Finding]) -> list[Finding]:
    """Return each finding once, errors first; of many of one code the first few, with a word on the rest."""
    by_code: dict[str, list[Finding]] = {}
    for one in dict.fromkeys(found):
        by_code.setdefault(one.code, []).append(one)
    kept = []
    for same in by_code.values():
        told, more = same[:MOST_OF_A_CODE], len(same) - MOST_OF_A_CODE
        if more > 0:
            last = told.pop()
            what = f"{last.what} And {more} more like it."
            told.append(Finding(last.level, last.code, last.where, what, last.cure))
        kept += told
    return sorted(kept, key=lambda one: one.level != "error")
