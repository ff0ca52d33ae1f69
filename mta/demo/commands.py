"""MAIL and RCPT as a receiver reads them, and the replies it gives most often."""

import re
from typing import NamedTuple

OK = b"250 2.0.0 OK\r\n"
SENDER_OK = b"250 2.1.0 OK\r\n"
RECIPIENT_OK = b"250 2.1.5 OK\r\n"
GO_AHEAD = b"354 end with <CRLF>.<CRLF>\r\n"
ORDER = b"503 5.5.1 bad sequence of commands\r\n"
SYNTAX = b"501 5.5.4 syntax error in parameters\r\n"
NEEDS_UTF8 = b"553 5.6.7 address needs SMTPUTF8\r\n"
TOO_BIG = b"552 5.3.4 message too big\r\n"

# Mailbox in angle brackets without a source route (RFC 5321 4.1.2), or <>; a quoted local part may hold
# @ and >. Then parameters, each after one space.
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^">@ ])+@([^"<>@ ]+)|)>((?: [!-~]+)*)\Z')
_NO_SIZE = 0
_ABSURD = 1 << 62  # what a SIZE that is no number counts as


class Path(NamedTuple):
    """One MAIL or RCPT: the address as written, its domain in lower case, and the parameters."""

    address: str  # empty for the null sender
    domain: str
    parameters: str  # in upper case, each with a space before it

    @property
    def size(self) -> int:
        """The SIZE parameter (RFC 1870) in octets; 0 when there is none."""
        text = self.parameters.partition(" SIZE=")[2].partition(" ")[0]
        if not text:
            return _NO_SIZE
        return int(text) if text.isdecimal() and len(text) <= 18 else _ABSURD


def path(text: str, word: str) -> Path | None:
    """Return what `text`, a command line that starts with MAIL or RCPT and a space, says; None if malformed.

    `word` is FROM: or TO:, which the path follows without a space.
    """
    if text[5 : 5 + len(word)].upper() != word:
        return None
    found = _PATH.match(text, 5 + len(word))
    if not found:
        return None
    parameters = found[3]
    return Path(found[1], (found[2] or "").lower(), parameters.upper() if parameters else "")
