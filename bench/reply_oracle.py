"""An oracle for SMTP conversations: what a client must make of a server's bytes, worked out in another way.

The dialogue walks a table of steps; this reads both sides of the wire, puts each command in a line and pairs each
reply with the first of them. It knows nothing of the dialogue but its calls, so what both say is likely to be right.
"""

import re
from collections import deque
from dataclasses import dataclass, field

MOST = 64 * 1024  # octets of one reply
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -]).*)?", re.DOTALL)
Token = tuple[object, ...]
"""("need", key), ("done", key, verdict per recipient), ("unsent", key) or ("ended", misbehaved).

A verdict is "delivered", "unsure", or (outcome, stage, code) with code 0 for our own words.
"""


@dataclass
class Mail:
    """One envelope as the wire shows it."""

    key: int
    recipients: int
    rode: bool
    verdicts: list[object] = field(default_factory=list)
    answered: int = 0
    told: bool = False
    out: bool = False  # its whole content has been sent


class Oracle:
    """Feed it all that passes in either direction, in order; each call returns what the client must report."""

    def __init__(self, pipelining: bool, chunking: bool) -> None:
        self.pipelining = pipelining
        self.chunking = chunking
        self.mails: dict[int, Mail] = {}
        self.open: deque[Mail] = deque()  # offered and not told, in order
        self.line: deque[tuple[str, Mail | None, int]] = deque()  # commands that wait for their reply
        self.owed = ""  # the stage whose command the client must send before it can be answered
        self.body: Mail | None = None  # whose content the server waits for, or is sent
        self.kept = False  # the last BDAT was refused: the server may still hold its transaction
        self.ended = False
        self.behind = 0  # octets the client has written since the end of a content
        self._raw = bytearray()  # of the reply under way, what has not been read
        self._code = b""
        self._size = 0

    @property
    def partial(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._raw or self._code)

    def offered(self, key: int, recipients: int, rode: bool) -> list[Token]:
        """Note an envelope; half a reply that came before any command is an answer to nothing."""
        mail = Mail(key, recipients, rode, [None] * recipients)
        self.mails[key] = mail
        self.open.append(mail)
        if not rode and self.partial:
            self.open.pop()
            return [("unsent", key), *self.closed(misbehaved=True)]
        return []

    def answering(self) -> list[Token]:
        """The client gives content: half a reply can't be the answer to it."""
        return self.closed(misbehaved=True) if self.partial else []

    def declined(self) -> list[Token]:
        """The client has no content: with BDAT the session goes on."""
        if not self.chunking:
            return self.closed()
        mail = self.body
        assert mail is not None
        self.body = None
        return [self._done(mail, ("deferred", "body", 0))]

    def sent(self, data: bytes) -> list[str]:
        """Read what the client writes; return the commands and contents in it that will be answered."""
        kinds: list[str] = []
        if data:
            self.owed = ""
        at = 0
        self.behind += len(data)
        while at < len(data):
            if self.body is not None and not self.chunking:
                end = at if data.startswith(b".\r\n", at) else data.index(b"\r\n.\r\n", at) + 2
                at = end + 3
                self.behind = len(data) - at
                self.body.out = True
                self._wait("content", self.body, 0, kinds)
                self.body = None
                continue
            end = data.index(b"\r\n", at)
            line, at = data[at:end], end + 2
            word = line[:4]
            if word == b"MAIL":
                self._wait("mail", self.mails[int(line[11 : line.index(b"@")])], 0, kinds)
            elif word == b"RCPT":
                key, _, number = line[9 : line.index(b"@")].partition(b"r")
                self._wait("rcpt", self.mails[int(key)], int(number), kinds)
            elif word == b"DATA":
                self._wait("data", self.line[-1][1] if self.line else self.open[0], 0, kinds)
            elif word == b"BDAT":
                mail = self.body or self.line[-1][1]
                assert mail is not None
                self.body = None
                mail.out = True
                at += int(line.split()[1])
                self.behind = len(data) - at
                self._wait("content", mail, 0, kinds)
            else:
                assert line in (b"RSET", b"QUIT"), line
                self._wait(line.decode().lower(), None, 0, kinds)
        return kinds

    def _wait(self, kind: str, mail: Mail | None, number: int, kinds: list[str]) -> None:
        self.line.append((kind, mail, number))
        kinds.append(kind)

    def got(self, data: bytes) -> list[Token]:
        """Read what the server says."""
        out: list[Token] = []
        self._raw += data
        while not self.ended:
            at = self._raw.find(b"\n")
            if at < 0:
                break
            line = bytes(self._raw[:at])
            del self._raw[: at + 1]
            self._size += at + 1
            found = _LINE.fullmatch(line.removesuffix(b"\r"))
            if found is None or (self._code and self._code != found[1]) or self._size > MOST:
                self._break(out)
            elif found[2] == b"-":
                self._code = found[1]
            else:
                self._code, self._size = b"", 0
                self._pair(int(found[1]), out)
        if not self.ended and (self._size + len(self._raw) > MOST or (self.owed and self.partial)):
            self._break(out)
        return out

    def _break(self, out: list[Token], code: int = 0) -> None:
        """The end: what was asked for by the same bytes is not wanted any more."""
        out[:] = [token for token in out if token[0] != "need"] + self.closed(code, misbehaved=not code)

    def _pair(self, code: int, out: list[Token]) -> None:
        if code == 421:
            self._break(out, code)
            return
        if not self.line or self.owed:
            self._break(out)
            return
        kind, mail, number = self.line[0]
        group = code // 100
        if kind == "quit":
            out += self.closed()
        elif group == (2 if kind == "data" else 3) or (kind == "rset" and group != 2):
            self._break(out)
        else:
            self.line.popleft()
            if mail is None:
                self._owe("mail")
            else:
                getattr(self, f"_{kind}")(mail, number, group, code, out)

    def _mail(self, mail: Mail, _: int, group: int, code: int, out: list[Token]) -> None:
        if group == 2:
            self._owe("rcpt")
        elif code == 503 and mail.rode and self.kept:
            self._told(mail)
            out.append(("unsent", mail.key))
        else:
            out.append(self._done(mail, (("failed" if group == 5 else "deferred"), "mail", code)))

    def _rcpt(self, mail: Mail, number: int, group: int, code: int, out: list[Token]) -> None:
        mail.answered += 1
        last = mail.answered == mail.recipients
        if group != 2:
            verdict = ("failed" if group == 5 and code != 552 else "deferred", "rcpt", code)
            mail.verdicts[number] = verdict
            if last and not mail.told and all(mail.verdicts):
                out.append(self._done(mail, verdict))
        if not last:
            self._owe("rcpt")
        elif not self.chunking:
            if not mail.told or self.pipelining:
                self._owe("data")
        elif not mail.told and not mail.out:
            self.body = mail
            out.append(("need", mail.key))

    def _data(self, mail: Mail, _: int, group: int, code: int, out: list[Token]) -> None:
        if group == 3:
            self.body = mail
            if mail.told:
                self.owed = "dot"
            else:
                out.append(("need", mail.key))
        elif not mail.told:
            out.append(self._done(mail, ("failed" if group == 5 else "deferred", "data", code)))

    def _content(self, mail: Mail, _: int, group: int, code: int, out: list[Token]) -> None:
        self.kept = self.chunking and group != 2
        if not mail.told:
            rest = "delivered" if group == 2 else ("failed" if group == 5 else "deferred", "dot", code)
            out.append(self._done(mail, rest))

    def _owe(self, stage: str) -> None:
        if not self.pipelining:
            self.owed = stage

    def _told(self, mail: Mail) -> None:
        mail.told = True
        self.open.remove(mail)

    def _done(self, mail: Mail, rest: object) -> Token:
        self._told(mail)
        return ("done", mail.key, *(verdict or rest for verdict in mail.verdicts))

    def closed(self, code: int = 0, misbehaved: bool = False, unwritten: int = 0) -> list[Token]:
        """Return what the end of the session means.

        `code` 421 if the server announced it; `unwritten` octets of what the client wrote never left.
        """
        out: list[Token] = []
        if self.ended:
            return out
        kind = self.line[0][0] if self.line else ""
        if self.open and not self._busy_for_nobody():
            mail = self.open[0]
            stage = "dot" if kind == "content" else kind or self.owed or "body"
            if stage == "dot" and unwritten > self.behind:
                stage = "body"
            if mail.out and not code and unwritten <= self.behind:
                out.append(self._done(mail, "unsure"))
            elif kind == "rset" or (mail.rode and stage == "mail" and not code):
                self._told(mail)
                out.append(("unsent", mail.key))
            else:
                out.append(self._done(mail, ("deferred", stage, code)))
        out += [("unsent", mail.key) for mail in self.open]
        self.open.clear()
        self.ended = True
        return [*out, ("ended", misbehaved)]

    def _busy_for_nobody(self) -> bool:
        return bool(self.line) and self.line[0][1] is not None and self.line[0][1].told
