"""A returned message taken apart: its MIME parts in order, as far as reports need them.

Returned mail is the most broken mail there is, and anybody can send it. So this is a reader of its own: it
never fails, knows no recursion, and every size has a cap; what lies beyond a cap is as if it were not there.
All line ends are read alike, since relays change them.
"""

import re
from binascii import a2b_base64, a2b_qp
from dataclasses import dataclass
from typing import Final

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 20
MAX_PARTS: Final = 200
MAX_HEADER_LINES: Final = 2000  # per part
MAX_HEADER_BYTES: Final = 256 << 10  # per part
MAX_VALUE: Final = 8 << 10  # octets of one field
MAX_BOUNDARY: Final = 200  # RFC 2046 allows 70

Headers = tuple[tuple[str, str], ...]

EMBEDDED: Final = frozenset({"message/rfc822", "message/global", "message/news"})
# What mail systems write in. No utf-7 and no hz: they hide ASCII in ASCII.
_CHARSETS: Final = {
    "iso-2022-jp": "iso2022_jp_ext", "iso-2022-jp-2": "iso2022_jp_2", "euc-jp": "euc_jp", "x-euc-jp": "euc_jp",
    "shift-jis": "cp932", "shift_jis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932", "cp932": "cp932",
    "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030",
    "big5": "cp950",
    "big5-hkscs": "big5hkscs", "euc-kr": "cp949", "ks-c-5601-1987": "cp949", "koi8-r": "koi8_r", "koi8-u": "koi8_u",
    **{f"windows-{number}": f"cp{number}" for number in (1250, 1251, 1253, 1254, 1255, 1256, 1257)},
    **{f"cp{number}": f"cp{number}" for number in (1250, 1251, 1253, 1254)},
    **{f"iso-8859-{number}": f"iso8859_{number}" for number in (2, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)},
}  # fmt: skip
_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_TYPE = re.compile(r"\s*([\w.+-]{1,60}/[\w.+-]{1,60})", re.ASCII)
_PARAMETER = re.compile(r""";\s*([\w-]{1,40})\*?\s*=\s*(?:"([^"]{0,998})"|([^\s;"]{0,998}))""", re.ASCII)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True)
class Part:
    """One part, or a whole message: `parent` is its container's place in the list, -1 at the top."""

    type: str
    parameters: dict[str, str]
    headers: Headers
    body: bytes  # transfer encoding undone; line ends are LF; empty for containers
    parent: int
    nested: int  # how many embedded messages it lies in

    def header(self, name: str) -> str:
        """The first field of this lower-case name, unfolded, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def text(self) -> str:
        """The body as text by its charset if that is a known one and fits, else UTF-8, else Latin-1."""
        return decode_as(self.body, self.parameters.get("charset", ""))


def decode_as(raw: bytes, charset: str) -> str:
    """Return the octets as text. ISO-2022-JP is known by its escapes too: old systems forget to say so."""
    name = _CHARSETS.get(charset.strip().lower().replace("_", "-"), "")
    if not name and b"\x1b$" in raw:
        name = "iso2022_jp_ext"
    if name:
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            # One wrong octet must not cost the rest, unless the whole charset is a lie.
            text = raw.decode(name, "replace")
            if text.count("\ufffd") <= len(text) // 20 + 1:
                return text
    return decode(raw)


def decode(raw: bytes) -> str:
    """Return the octets as text: UTF-8, else Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def take_apart(raw: bytes) -> list[Part]:
    """Return the message and all its parts, containers first, in the order they are written. Never raises."""
    data = raw[:MAX_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    parts: list[Part] = []
    waiting = [(data, -1, 0, 0)]
    while waiting and len(parts) < MAX_PARTS:
        data, parent, depth, nested = waiting.pop()
        headers, body = split_headers(data)
        found = dict(reversed(headers))  # the first of several counts
        kind, parameters = _content_type(found.get("content-type", ""))
        body = _decoded(body, found.get("content-transfer-encoding", "").strip().lower())
        here = len(parts)
        inner: list[tuple[bytes, int, int, int]] = []
        if depth < MAX_DEPTH:
            boundary = parameters.get("boundary", "").rstrip()[:MAX_BOUNDARY]
            if kind.startswith("multipart/") and boundary:
                pieces = _pieces(body, boundary.encode("utf-8"), MAX_PARTS - here)
                inner = [(piece, here, depth + 1, nested) for piece in pieces]
            elif kind in EMBEDDED:
                inner = [(body.lstrip(b"\n"), here, depth + 1, nested + 1)]
        parts.append(Part(kind, parameters, headers, b"" if inner else body, parent, nested))
        waiting += reversed(inner)
    return parts


def split_headers(data: bytes) -> tuple[Headers, bytes]:
    """Return the header fields, names in lower case and values unfolded, and what follows the empty line."""
    if data.startswith(b"\n"):
        return (), data[1:]
    head, _, body = data.partition(b"\n\n")
    fields: list[tuple[str, list[bytes]]] = []
    size = 0
    for line in head[:MAX_HEADER_BYTES].split(b"\n", MAX_HEADER_LINES)[:MAX_HEADER_LINES]:
        if line[:1] in (b" ", b"\t"):
            if fields and size < MAX_VALUE:
                fields[-1][1].append(line.strip())
                size += len(line)
        elif field := _FIELD.match(line):
            value = line[field.end() :].strip()
            fields.append((field[1].decode("ascii").lower(), [value]))
            size = len(value)
    return tuple((name, decode(b" ".join(lines)[:MAX_VALUE])) for name, lines in fields), body


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    found = _TYPE.match(value)
    if not found:
        return "text/plain", {}
    parameters: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(value, found.end()):
        parameters.setdefault(name.lower(), quoted or bare)
    return found[1].lower(), parameters


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        clean = _NOT_BASE64.sub(b"", body)
        clean = clean[: len(clean) - (len(clean) % 4 == 1)]  # one digit alone holds no octet
        body = a2b_base64(clean + b"=" * (-len(clean) % 4))
    elif encoding == "quoted-printable":
        body = a2b_qp(body)
    else:
        return body
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _pieces(body: bytes, boundary: bytes, most: int) -> list[bytes]:
    """The parts between the boundary lines; a missing last boundary ends the last part at the end."""
    body = b"\n" + body
    mark = b"\n--" + boundary
    pieces: list[bytes] = []
    start, at = -1, body.find(mark)
    while at >= 0 and len(pieces) < most:
        end = body.find(b"\n", at + 1)
        end = len(body) if end < 0 else end
        rest = body[at + len(mark) : end].rstrip(b" \t")
        if rest in (b"", b"--"):  # else it is a longer boundary that begins like this one
            if start >= 0:
                pieces.append(body[start:at])
            if rest:
                return pieces
            start = end + 1
        at = body.find(mark, end)
    if start >= 0 and len(pieces) < most:
        pieces.append(body[start:])
    return pieces
