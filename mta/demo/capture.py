"""Messages a receiver keeps, byte for byte, for readers and for proofs."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

MAX_KEPT = 100_000  # whatever a caller asks for: 12 KB each is already over a gigabyte


class Envelope(NamedTuple):
    """What came before DATA, and how."""

    sender: str
    recipients: list[tuple[str, str]]  # (address, its domain in lower case), in order
    host: str  # the listening address
    tls: bool


@dataclass(frozen=True, slots=True)
class Received:
    """One accepted message: its envelope and its bytes, dots unstuffed, CRLF line ends."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    at: float  # seconds since 1970
    host: str  # the listening address it came in by
    tls: bool


class Capture:
    """Keeps the first `most` messages, in memory or as `N.eml` files beside an `index.jsonl`."""

    def __init__(self, most: int, directory: Path | None = None) -> None:
        self.messages: list[Received] = []  # stays empty when a directory is given
        self.count = 0
        self._most = min(most, MAX_KEPT)
        self._directory = directory
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "index.jsonl").write_bytes(b"")

    @property
    def room(self) -> bool:
        """True until the cap is reached."""
        return self.count < self._most

    def keep(self, message: Received) -> None:
        """Keep `message` if there is room; files are written before this returns."""
        if self.count >= self._most:
            return
        self.count += 1
        if self._directory is None:
            self.messages.append(message)
            return
        (self._directory / f"{self.count}.eml").write_bytes(message.data)
        line = {
            "n": self.count,
            "sender": message.sender,
            "rcpts": message.recipients,
            "sha256": sha256(message.data).hexdigest(),
            "at": message.at,
            "host": message.host,
            "tls": message.tls,
        }
        with (self._directory / "index.jsonl").open("a", encoding="utf-8") as index:
            index.write(json.dumps(line) + "\n")


def captured(directory: Path) -> list[Received]:
    """Return the messages a Capture wrote to `directory`, in order."""
    found = []
    for text in (directory / "index.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        data = (directory / f"{line['n']}.eml").read_bytes()
        found.append(
            Received(line["sender"], tuple(line["rcpts"]), data, line["at"], line["host"], line["tls"])
        )
    return found
