"""An attachment as a MIME part: its headers and its bytes in base64, made once (RFC 2045, 2183, 2231)."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from mta.mime.characters import header_fault
from mta.mime.document import Attachment, ContentError
from mta.mime.quoted import LINE
from mta.mime.transfer import base64_lines

MAX_FILENAME: Final = 255
"""Characters of a file name: more than file systems take."""

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_CID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]{1,200}")
_SHORT = 60
# Characters that need no percent sign in an extended parameter value (RFC 2231 section 7).
_ATTRIBUTE = "!#$&+-.^_`{}~"
_OPAQUE = "application/octet-stream"


def part_of(attachment: Attachment, field: str, *, inline: bool) -> bytes:
    """Return the part, headers first, ending in CRLF; raise ContentError naming `field` and its member.

    RFC 2046 forbids base64 for `message/*` and `multipart/*`, so those go as `application/octet-stream`.
    """
    name, cid = attachment.name, attachment.cid
    if why := header_fault(name):
        raise ContentError(f"{field}.name", why)
    if len(name) > MAX_FILENAME:
        raise ContentError(f"{field}.name", f"is longer than {MAX_FILENAME} characters; shorten it")
    if not _TYPE.fullmatch(attachment.type):
        raise ContentError(f"{field}.type", "is no media type; write one such as application/pdf")
    if cid is not None and not _CID.fullmatch(cid):
        raise ContentError(f"{field}.cid", "is no Content-ID; write it without < and >, such as logo@example")
    kind = attachment.type.lower()
    if kind.startswith(("message/", "multipart/")):
        kind = _OPAQUE
    disposition = "inline" if inline else "attachment"
    lines = [_with(f"Content-Type: {kind}", _name(name)), "Content-Transfer-Encoding: base64"]
    if cid is not None:
        lines.append(f"Content-ID: <{cid}>")
    lines.append(_with(f"Content-Disposition: {disposition}", _filename(name)))
    return "\r\n".join([*lines, "", ""]).encode("ascii") + base64_lines(attachment.data)


def _with(line: str, parameters: list[str]) -> str:
    for parameter in parameters:
        fits = len(line) - (line.rfind("\n") + 1) + len(parameter) + len("; ;") <= LINE
        line += f"; {parameter}" if fits else f";\r\n {parameter}"
    return line


def _name(name: str) -> list[str]:
    """Return the `name` parameter for readers that know no `filename*`: ASCII only, accents dropped."""
    if not name:
        return []
    bare = "".join(c for c in unicodedata.normalize("NFKD", name.strip()) if not unicodedata.combining(c))
    shown = re.sub(r'[^ -~]|["\\]|=\?', "_", bare)
    if len(shown) > _SHORT:
        stem, dot, ending = shown.rpartition(".")
        kept = f"{dot}{ending}" if stem and len(ending) < 10 else ""
        shown = shown[: _SHORT - len(kept)] + kept
    return [f'name="{shown}"']


def _filename(name: str) -> list[str]:
    """Return the `filename` parameter, extended and in sections where RFC 2231 asks for it."""
    if not name:
        return []
    if name.isascii() and "=?" not in name and len(name) <= _SHORT:
        escaped = re.sub(r'(["\\])', r"\\\1", name)
        return [f'filename="{escaped}"']
    sections = [""]
    for character in name:
        encoded = quote(character, safe=_ATTRIBUTE)
        if len(sections[-1]) + len(encoded) > _SHORT - len("utf-8''"):
            sections.append("")
        sections[-1] += encoded
    sections[0] = f"utf-8''{sections[0]}"
    if len(sections) == 1:
        return [f"filename*={sections[0]}"]
    return [f"filename*{n}*={section}" for n, section in enumerate(sections)]
