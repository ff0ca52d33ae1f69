"""Where a message ends, and what is wrong with it: RFC 5321 4.5.2 and 2.3.8, to the letter.

Only <CRLF>.<CRLF> ends a message. A receiver that takes a bare line feed for a line end lets one message
be smuggled inside another, so this one counts such bytes and never obeys them.
"""


class Ending:
    """Looks for the end of one message in a buffer that grows. Each octet is searched once."""

    def __init__(self, start: int) -> None:
        self.start = start  # offset of the CRLF before the first octet, the end of the DATA line
        self.stuffed = False  # a line with a leading dot came by
        self._search = start

    def moved(self, octets: int) -> None:
        """The buffer lost `octets` at its front."""
        self.start -= octets
        self._search -= octets

    def find(self, buffer: bytearray) -> int:
        """Return the offset of the CRLF before the final dot, or -1 when it has not come yet."""
        if not self.stuffed:
            # One search finds the end and any stuffed dot: most messages have none of the latter.
            found = buffer.find(b"\r\n.", self._search)
            if found < 0:
                self._search = max(self._search, len(buffer) - 2)
                return -1
            self._search = found
            after = buffer[found + 3 : found + 5]
            if after == b"\r\n":
                return found
            if len(after) < 2 and b"\r\n".startswith(after):
                return -1
            self.stuffed = True
        found = buffer.find(b"\r\n.\r\n", self._search)
        if found < 0:
            self._search = max(self._search, len(buffer) - 4)
        return found


def unstuff(body: bytes) -> tuple[bytes, bool]:
    """Return `body` without its stuffed dots, and False when a line had a dot that was not doubled."""
    marked = b"\r\n" + body
    clean = marked.count(b"\r\n.") == marked.count(b"\r\n..")
    return marked.replace(b"\r\n.", b"\r\n")[2:], clean


def bare_ends(body: bytes) -> bool:
    """True when `body`, which ends in CRLF or is empty, has a CR without LF or an LF without CR."""
    # Lines = pairs + lone ones; CR and LF octets = 2 x pairs + lone ones. Two passes in C, no loop.
    return len(body) - len(body.translate(None, b"\r\n")) != 2 * len(body.splitlines())
