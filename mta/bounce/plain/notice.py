"""The notice taken out of a message: what the mail system wrote, without what it returns below.

Texts come in any of the parts; the returned message is a part of its own, or starts after a line that says so, or
just starts with its header.
"""

import re
from dataclasses import dataclass
from html import unescape
from typing import Final

from mta.bounce.parts import Headers, Part, split_headers

MAX_LINES: Final = 400
MAX_TEXT: Final = 64 << 10

_RETURNED = (
    r"copy of (?:the|your) (?:original )?(?:message|mail|e-?mail)|original message|original mail\b"
    r"|returned message|message returned"
    r"|below this line|unsent message|message headers?\b|message header|header of (?:the|your)"
    r"|text of (?:the|your) (?:original )?message"
    r"|forwarded message|your (?:original )?message (?:follows|is below|reads)|mail follows"
    r"|undelivered message|rejected message"
    r"|undeliverable message|message body|start of (?:message|returned)|enclosed is a|headers? follow"
    r"|message contents? follow|returned mail follows|non-?delivered message|bounced message"
    r"|mensaje original|mensagem original|message d'origine|message original|messaggio originale"
    r"|urspr.{1,3}ngliche nachricht"
    r"|kopie (?:der|ihrer) (?:nachricht|mail)|originalnachricht|исходное сообщение|текст сообщения"
    r"|原始邮件|原始郵件|元のメッセージ|原文"
)
# "---- Original message ----", or a line of its own that ends there.
_CUT = re.compile(rf"[ \t>*]*[-=*_#+~]{{2,}}[ \t>]*.{{0,40}}(?:{_RETURNED})", re.IGNORECASE)
_CUT_PLAIN = re.compile(
    r"[ \t]*(?:this is a copy of|(?:the )?original (?:message|mail|e-?mail)(?: text)?(?: (?:follows"
    r"|attached|is below|is attached|as follows|below)| *:|\.?\Z)"
    r"|(?:the )?message headers? follow|below (?:this line )?is a copy of|here is a copy of"
    r"|a copy of (?:the|your) message (?:follows|is|below)"
    r"|your (?:original )?message (?:follows|was as follows|reads)|the (?:header|text"
    r"|body) of (?:the|your) (?:original )?message|(?:returned|undelivered|unsent) message follows"
    r"|included is a copy|the following is (?:a copy of|the) (?:the )?(?:original|header|message)"
    r"|-+\s?transcript of returned"
    r"|\*+ *end of message)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?:received|return-path|dkim-signature|domainkey-signature|x-originating-ip|authentication-results"
    r"|x-mailer|delivered-to|arc-seal|x-google-dkim-signature|x-gm-message-state|received-spf) ?:",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?li|/?h[1-6]|/?table|hr|/?ul|/?pre|/td|/?dl|/?dd|/?dt)\b[^<>]{0,1000}>",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"<(style|script|head|title)\b", re.IGNORECASE)
_HIDDEN_END = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("style", "script", "head", "title")}
_TAG = re.compile(r"</?[A-Za-z!?][^<>@]{0,2000}>|<a\b[^<>]{0,2000}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notice:
    """`lines` are the system's own; `original` is the header of what it returns, as far as there is one."""

    lines: tuple[str, ...]
    original: Headers

    @property
    def text(self) -> str:
        """All lines in one, blanks reduced."""
        return " ".join(" ".join(self.lines).split())


def notices(parts: list[Part], level: int) -> list[Notice]:
    """Return what may be read as a notice, best first: the plain text, the HTML put as text."""
    own = [part for part in parts if part.nested == level]
    original = _embedded(parts, level)
    found = []
    for html in (False, True):
        text = "\n".join(
            _plain(part.text) if html else part.text[:MAX_TEXT]
            for part in own
            if (part.type == "text/html" if html else _is_text(part)) and part.body
        )
        if text.strip():
            found.append(_cut(text[:MAX_TEXT], original))
    return found


def _is_text(part: Part) -> bool:
    # A container whose boundary is missing or wrong still holds its text.
    return part.type in ("text/plain", "message/delivery-status") or part.type.startswith("multipart/")


def _embedded(parts: list[Part], level: int) -> Headers:
    for part in parts:
        if part.type in ("text/rfc822-headers", "message/rfc822-headers") and part.nested == level:
            return split_headers(part.body.lstrip(b"\n"))[0]
        if part.nested == level + 1 and part.headers:
            return part.headers
    return ()


def _cut(text: str, original: Headers) -> Notice:
    lines = [line.rstrip() for line in text.split("\n", MAX_LINES * 4)]
    for number, line in enumerate(lines):
        # Before anything was said, a rule is an ornament and a header belongs to the notice.
        if _HEADER.match(line) and number:
            return Notice(tuple(lines[:number][:MAX_LINES]), original or _headers(lines[number:]))
        if len(line) < 160 and (_CUT.match(line) or _CUT_PLAIN.match(line)):
            return Notice(tuple(lines[:number][:MAX_LINES]), original or _headers(lines[number + 1 :]))
    return Notice(tuple(lines[:MAX_LINES]), original)


def _headers(lines: list[str]) -> Headers:
    """The header among the first lines below the cut: it may be indented or quoted, and have rules above it."""
    rest = [line.lstrip("> |") if line[:1] in ">|" else line for line in lines[:MAX_LINES]]
    while rest and (not rest[0].strip() or ":" not in rest[0]):
        rest.pop(0)
    if rest and rest[0][0] in " \t":
        margin = len(rest[0]) - len(rest[0].lstrip())
        rest = [line[margin:] for line in rest]
    return split_headers("\n".join(rest).encode("utf-8", "replace"))[0]


def _plain(html: str) -> str:
    """HTML as lines of text: blocks end lines, tags go, an address in angle brackets stays."""
    html = _without_hidden(html[: 2 * MAX_TEXT])
    html = _BREAK.sub("\n", html.replace("\n", " "))
    return unescape(_TAG.sub(" ", html)).replace("\xa0", " ")


def _without_hidden(html: str) -> str:
    kept, at = [], 0
    while found := _HIDDEN.search(html, at):
        kept.append(html[at : found.start()])
        end = _HIDDEN_END[found[1].lower()].search(html, found.end())
        if end is None:
            return "".join(kept)
        at = end.start()
    kept.append(html[at:])
    return "".join(kept)
