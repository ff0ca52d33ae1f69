"""Who is here: each process of the engine, on whatever host, says so every few seconds and takes itself off at its end.

A process that stops without a word stays on the roll with its last sign, so that somebody who looks sees it missing.
It goes after a day, or when a process of its name and host signs on.
"""

from typing import Final

import msgspec

from mta.queue.keys import Keys
from mta.queue.link import Client

SIGN_SECONDS: Final = 5.0
"""How often a process signs."""
SILENT_MS: Final = 20_000
"""Without a sign for so long, a process is missing."""
FORGET_MS: Final = 86_400_000
MAX_NAMES: Final = 4096  # processes of all hosts; more do not sign
MAX_FAULTS: Final = 8


class Present(msgspec.Struct, frozen=True, omit_defaults=True):
    """One process: role, name, host, process id, version; times in ms since 1970; `faults`: what it can't do now."""

    role: str
    name: str
    host: str
    pid: int = 0
    version: str = ""
    started: int = 0
    at: int = 0  # the last sign, by the server's clock
    faults: tuple[str, ...] = ()

    def silent(self, now: int) -> bool:
        """Whether its last sign is too old."""
        return now - self.at > SILENT_MS


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Present).decode


class Roll:
    """Signs on and off, and is read."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def sign(self, one: Present) -> None:
        """Say that a process is here; its `at` is set by the server's clock. Raises QueueDown."""
        seconds, micros = await self.client.time()
        now = int(seconds) * 1000 + int(micros) // 1000
        field = f"{one.host}/{one.name}"
        known = await self.client.hexists(self.keys.roll, field)
        if not known and await self.client.hlen(self.keys.roll) >= MAX_NAMES:
            return
        signed = msgspec.structs.replace(one, at=now, faults=one.faults[:MAX_FAULTS])
        await self.client.hset(self.keys.roll, field, _encode(signed))

    async def off(self, host: str, name: str) -> None:
        """Take a process off that ends as it should."""
        await self.client.hdel(self.keys.roll, f"{host}/{name}")

    async def read(self) -> list[Present]:
        """Return everybody, by host and name; what a newer engine wrote and this one can't read is left out."""
        found = []
        for raw in (await self.client.hgetall(self.keys.roll)).values():
            try:
                found.append(_decode(raw))
            except msgspec.DecodeError:
                continue
        return sorted(found, key=lambda one: (one.host, one.role, one.name))

    async def forget(self, now: int) -> int:
        """Take off whoever has been silent for a day; return how many."""
        gone = [f"{one.host}/{one.name}" for one in await self.read() if now - one.at > FORGET_MS]
        return int(await self.client.hdel(self.keys.roll, *gone)) if gone else 0
