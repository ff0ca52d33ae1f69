"""The SMTP transcript: what was said in the sessions of a few scopes, for people who look for a fault; off by default.

A line a command or reply, `time session direction text`. Text of peers is escaped and cut, so that no server forges
a line or moves a cursor. The file ends at its limit until it is rotated away: a forgotten transcript fills no disk.
"""

import os
import re
import time
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from itertools import count
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Final

from mta.net.connect import Opened
from mta.smtp import capabilities
from mta.smtp.dialogue import Dialogue
from mta.smtp.happening import Envelope
from mta.smtp.transcribed import Side, Transcribed
from mta.workers.scopes import Scopes
from mta.workers.work import Work

MAX_LINE: Final = 512  # characters of one line's text
MAX_PARTIAL: Final = 2048  # octets of a line whose end has not come
MAX_WAITING: Final = 1 << 20  # characters kept between two writes; what is more is left out, and counted
_ADDRESS = re.compile(r"([^\s<>:@\"]{1,256})@([A-Za-z0-9\[][A-Za-z0-9.\[\]:-]{0,254})")
_numbers = count(1)


class Transcript:
    """Appends to one file that several processes may share, `most_bytes` at most; `lost` counts lines left out."""

    def __init__(
        self, path: Path, scopes: Scopes, *, most_bytes: int = 64 << 20, redact: bool = False, key: bytes = b"",
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.path = path
        self.scopes = scopes
        self.most_bytes = most_bytes
        self.lost = 0
        self.fault = ""
        self._redact = redact
        # As the mail log does it, so that an address is the same in both.
        self._hash = blake2b(digest_size=6, key=key[:64], person=b"mta maillog")
        self._clock = clock
        self._waiting: list[str] = []
        self._size = 0
        self._file = -1
        self._pid = os.getpid()

    def dialogue(self, path: str, opened: Opened, *, pipeline: bool) -> Dialogue:
        """Return the dialogue of a session on a path: the plain one where nothing of it can be wanted."""
        caps = capabilities.parse(opened.ehlo)
        every = path.partition("|")[2] in self.scopes.sites
        if not (every or self.scopes.narrow):
            return Dialogue(caps, pipeline=pipeline)
        said = Said(self, path, opened)
        return Transcribed(caps, self._wants, said.tell, every=every, pipeline=pipeline)

    def _wants(self, envelope: Envelope) -> bool:
        work = envelope.key
        if not isinstance(work, Work):
            return False
        scopes = self.scopes
        return any(scopes.message(one.item.lane, one.item.record.rcpt) for one in (work, *work.others))

    def line(self, session: int, side: Side, text: str) -> None:
        """Keep a line until `flush`."""
        if self._size >= MAX_WAITING:
            self.lost += 1
            return
        if self._redact:
            text = _ADDRESS.sub(self._masked, text)
        now = self._clock()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        shown = quoted(text[:MAX_LINE])[1:-1].replace("\x7f", "\\u007f")
        line = f"{stamp}.{int(now * 1000) % 1000:03d}Z {self._pid}.{session} {side} {shown}"
        self._waiting.append(line)
        self._size += len(line) + 1

    def flush(self) -> None:
        """Write out what waits, in one call; a fault is kept in `fault`, never raised."""
        if not self._waiting:
            return
        lines, self._waiting, self._size = self._waiting, [], 0
        try:
            if self._file < 0:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._file = os.open(self.path, flags, 0o640)
            room = self.most_bytes - os.fstat(self._file).st_size
            kept = []
            for line in lines:
                room -= len(line) + 1
                if room < 0:
                    break
                kept.append(line)
            self.lost += len(lines) - len(kept)
            data = "".join(f"{line}\n" for line in kept).encode("ascii", "backslashreplace")
            while data:
                data = data[os.write(self._file, data) :]
            self.fault = "" if len(kept) == len(lines) else f"{self.path}: has reached log.transcript_limit"
        except OSError as error:
            self.lost += len(lines)
            self.fault = f"{self.path}: {error.strerror}"

    def reopen(self) -> None:
        """Flush, then open the path anew: after a rotation has moved the file away."""
        self.flush()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _masked(self, found: re.Match[str]) -> str:
        state = self._hash.copy()
        state.update(found[1].lower().encode("utf-8", "replace"))
        return f"{state.hexdigest()}@{found[2]}"


class Said:
    """One session's part: bytes to lines, and who it is with before the first of them."""

    def __init__(self, transcript: Transcript, path: str, opened: Opened) -> None:
        self.number = next(_numbers)
        self._line = partial(transcript.line, self.number)
        self._head = [
            f"session with {opened.host.name} [{opened.host.address}] on {path}, {opened.tls or 'in clear'}",
            f"EHLO: {' | '.join(line[:200] for line in opened.ehlo[:64])}",
        ]
        self._partial: dict[Side, bytes] = {}

    def tell(self, side: Side, data: bytes) -> None:
        """Take bytes of one side; a line is told when its end has come, or too much of it."""
        for text in self._head:
            self._line("=", text)
        self._head = []
        if side == "=":
            self._line(side, data.decode("utf-8", "replace"))
            return
        *lines, rest = (self._partial.get(side, b"") + data).split(b"\n")
        if len(rest) > MAX_PARTIAL:
            lines, rest = [*lines, rest[:MAX_PARTIAL]], b""
        self._partial[side] = rest
        for line in filter(None, lines):
            self._line(side, line.rstrip(b"\r").decode("utf-8", "replace"))
