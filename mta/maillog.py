"""The mail log: a line per mail event, for people with grep and for the programs that read mail logs.

A line holds the event's own fields under the names of docs/protocol.md section 2, in the order they come, without
`v` and `eid`; new fields may be added, none is renamed. As text:

    2026-08-04T12:00:00.123Z delivered id=inv-1.0 tenant=acme rcpt="jo@x.example" code=250 reply="2.0.0 Ok"

Text of peers and producers is quoted as a JSON string in ASCII and cut, so that no reply can forge a line, move a
terminal's cursor or look like other text. Lines wait in memory until `flush`, one write per tick: a power cut
loses the last tick of this log, never an event.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from time import gmtime, strftime
from typing import Final

MAX_VALUE: Final = 512
"""Characters of one value."""
MAX_WAITING: Final = 50_000
"""Lines kept while the file can't be written; then the newest are dropped, and counted."""

_LEFT_OUT = frozenset({"v", "event", "eid", "ts", ""})
# Made by the engine from grammars without blanks and quotes: written as they are.
_PLAIN = frozenset((
    "id", "tenant", "campaign", "code", "status", "attempts", "delay_ms", "next", "class", "disposition", "async",
    "count", "refused", "repeat", "row", "link", "via", "until", "source", "accepted", "delivered", "bounced",
    "expired", "suppressed", "purged", "failed", "deferred",
))  # fmt: skip


class MailLog:
    """Appends to one file that several processes may share; `path` None: a log that writes nothing.

    `form` is "text" or "json". With `redact` what stands before the @ of the recipient becomes a keyed
    hash, the same for the same address, wherever the address stands in the line.
    """

    def __init__(
        self, path: Path | None, *, form: str = "text", redact: bool = False, key: bytes = b""
    ) -> None:
        self.path = path
        self.lost = 0  # lines dropped because the file could not be written
        self.fault = ""  # why the last write failed; empty when it did not
        self._json = form == "json"
        self._redact = redact
        self._hash = blake2b(digest_size=6, key=key[:64], person=b"mta maillog")
        self._waiting: list[str] = []
        self._file = -1
        self._second = -1
        self._stamp = ""

    def event(self, fields: Mapping[str, str]) -> None:
        """Write a line for an event made by mta.event.event."""
        if self.path is not None:
            self._line(fields.get("event", ""), fields.get("ts", "0"), fields.items())

    def flat(self, fields: Sequence[str]) -> None:
        """Write a line for an event given as name, value, name, value: the form in which workers have it."""
        if self.path is not None and fields:
            kind = ts = ""
            pairs = list(zip(fields[::2], fields[1::2], strict=True))
            for name, value in pairs[:4]:  # they stand in front of every event
                if name == "event":
                    kind = value
                elif name == "ts":
                    ts = value
            self._line(kind, ts or "0", pairs)

    def flush(self) -> None:
        """Write out what waits, in one call. A fault is kept in `fault` and tried again, never raised."""
        if not self._waiting:
            return
        data = ("\n".join(self._waiting) + "\n").encode("utf-8", "backslashreplace")
        written = 0
        try:
            if self._file < 0:
                self._open()
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            self.fault = f"{self.path}: {error.strerror}"
            if written:
                self._waiting = data[written:].decode().split("\n")[:-1]
            return
        self.fault = ""
        self._waiting.clear()

    def change(self, *, form: str, redact: bool) -> None:
        """Write the lines to come in another form."""
        self._json, self._redact = form == "json", redact

    def reopen(self) -> None:
        """Flush, then open the path anew: after a rotation has moved the file away."""
        self.flush()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Write out what waits and close the file; the next line opens it anew."""
        self.reopen()

    def _open(self) -> None:
        assert self.path is not None
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o640)

    def _line(self, kind: str, ts: str, pairs: Iterable[tuple[str, str]]) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.lost += 1
            return
        if self._redact:
            pairs = self._redacted(list(pairs))
        when = f"{self._time(ts[:-3])}.{ts[-3:]:0>3}Z"
        if self._json:
            parts = [
                f'"{name}":{quoted(value[:MAX_VALUE])}'
                for name, value in pairs
                if value and name not in _LEFT_OUT
            ]
            line = ",".join([f'{{"time":"{when}","event":{quoted(kind)}', *parts]) + "}"
        else:
            plain, left_out = _PLAIN, _LEFT_OUT
            parts = [
                f"{name}={value}" if name in plain else f"{name}={quoted(value[:MAX_VALUE])}"
                for name, value in pairs
                if value and name not in left_out
            ]
            line = " ".join([when, kind, *parts])
        if "\x7f" in line:  # the one control character that JSON leaves as it is
            line = line.replace("\x7f", "\\u007f")
        self._waiting.append(line)

    def _time(self, seconds: str) -> str:
        second = int(seconds or 0)
        if second != self._second:
            self._second = second
            self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        return self._stamp

    def _redacted(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        address = next((value for name, value in pairs if name == "rcpt"), "")
        local, at, domain = address.rpartition("@")
        if not at:
            return pairs
        state = self._hash.copy()
        state.update(local.lower().encode("utf-8", "replace"))
        masked = f"{state.hexdigest()}@{domain}"
        # Servers repeat the address in their replies, some in other case.
        seek = re.compile(re.escape(address), re.IGNORECASE)
        return [(name, seek.sub(masked, value)) for name, value in pairs]
