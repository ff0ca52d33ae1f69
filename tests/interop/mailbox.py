"""Where a real server keeps what it took: files of one Maildir, each a message with LF line ends."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Mailbox:
    """A server's address and its Maildir."""

    host: str
    port: int
    folder: Path

    def messages(self) -> list[bytes]:
        """Return the messages with CRLF line ends, as they travelled."""
        files = [*self.folder.glob("new/*"), *self.folder.glob("cur/*")]
        return [path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for path in files]

    async def holds(self, count: int, seconds: float = 20.0) -> list[bytes]:
        """Wait until there are so many messages and return them."""
        ends = time.monotonic() + seconds
        while len(found := self.messages()) < count:
            assert time.monotonic() < ends, f"{len(found)} of {count} messages in {self.folder}"
            await asyncio.sleep(0.02)
        return found
