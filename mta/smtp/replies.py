"""Bytes from a server become replies, whatever the splits and however hostile the server (RFC 5321 4.2).

The reader keeps three caps, so that a peer that repeats itself costs neither memory nor an endless reply.
What it can't read is a ProtocolError and the end: after one, no later reply can be paired with its command.
"""

from functools import lru_cache
from typing import Final

from mta.reply import Reply

MAX_LINE: Final = 2048
"""Octets kept of a line after code and separator; the rest is dropped (Postfix: line_length_limit)."""

MAX_LINES: Final = 100
"""Lines kept of a reply; the rest is read and dropped."""

MAX_REPLY: Final = 64 * 1024
"""Octets of one reply, line ends included; more is a ProtocolError."""

_SHOWN = 80  # octets of a bad line that the error quotes
_REMEMBERED = 256  # a server says the same few short lines all day long
_CODES: Final = {str(code).encode(): code for code in range(200, 600)}

# Controls in a reply could forge log lines or move a terminal's cursor: they become "?", a tab becomes a space.
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), "?") | {0x09: " "}


class ProtocolError(Exception):
    """The server said what SMTP does not allow; `before` are the good replies of the same bytes before it."""

    def __init__(self, why: str, before: tuple[Reply, ...] = ()) -> None:
        super().__init__(why)
        self.why = why
        self.before = before


class ReplyReader:
    """Turns bytes, split anywhere, into replies. Once it has raised it is broken and raises for ever."""

    __slots__ = ("_code", "_fault", "_lines", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = bytearray()  # an unfinished line
        self._code = 0  # of the multi-line reply under way; 0 between replies
        self._lines: list[str] = []  # and its lines so far
        self._size = 0  # and their octets on the wire
        self._fault = ""

    def __repr__(self) -> str:
        state = (
            f"broken: {self._fault}" if self._fault else "in a reply" if self.partial else "between replies"
        )
        return f"<ReplyReader {state}>"

    @property
    def partial(self) -> bool:
        """True when part of a reply has come and its end has not."""
        return bool(self._rest or self._code)

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that `data` completes, in order.

        Lines end in CRLF; a bare LF is taken too, as Postfix does. Raises ProtocolError, which carries the
        replies complete before the fault, on a line without a code of 200 to 599, on differing codes within
        one reply, and on a reply over MAX_REPLY octets.
        """
        if self._fault:
            raise ProtocolError(self._fault)
        lines = data.split(b"\n")
        last = lines.pop()
        replies: list[Reply] = []
        try:
            if self._rest and lines:
                self._rest += lines[0]
                lines[0] = bytes(self._rest)
                self._rest.clear()
            for line in lines:
                # By far the most replies are one short line.
                if not self._code and line[3:4] != b"-" and len(line) < _REMEMBERED:
                    replies.append(_single(line))
                elif (reply := self._line(line)) is not None:
                    replies.append(reply)
            if last:
                self._rest += last
                self._count(len(self._rest))
        except ProtocolError as error:
            self._fault = error.why
            raise ProtocolError(error.why, tuple(replies)) from None
        return replies

    def _line(self, line: bytes) -> Reply | None:
        """Take one line; return the reply that it completes."""
        code, text = _parts(line)
        if self._code == 0:
            self._code, self._lines, self._size = code, [], 0
        elif code != self._code:
            raise ProtocolError(f"one reply has two codes, {self._code} and {code}")
        self._count(len(line) + 1)
        self._size += len(line) + 1
        if len(self._lines) < MAX_LINES:
            self._lines.append(text)
        if line[3:4] == b"-":
            return None
        self._code = 0
        return Reply(code, tuple(self._lines))

    def _count(self, more: int) -> None:
        if more + (self._size if self._code else 0) > MAX_REPLY:
            raise ProtocolError(f"a reply is longer than {MAX_REPLY} octets")


@lru_cache(maxsize=1024)
def _single(line: bytes) -> Reply:
    """Return the reply that is this one line; raise ProtocolError."""
    code, text = _parts(line)
    return Reply(code, (text,))


def _parts(line: bytes) -> tuple[int, str]:
    """Return code and safe text of a line without its LF; raise ProtocolError."""
    line = line.removesuffix(b"\r")
    code = _CODES.get(line[:3])
    if code is None or line[3:4] not in b" -":
        raise ProtocolError(f"not an SMTP reply: {_safe(line[:_SHOWN])!r}")
    return code, _safe(line[4 : 4 + MAX_LINE])


def _safe(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return text if text.isprintable() else text.translate(_CONTROLS)
