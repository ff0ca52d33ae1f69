"""Addresses that get no mail: per tenant, per list of a tenant, never across tenants (promise P12).

An entry is found by a keyed hash of its address; the key is a credential outside Redis, so a copy of the database does
not tell who unsubscribed. The address itself may stand in the entry, sealed under the same credential, so that a tenant
can take its lists out again.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from mta.queue.keys import Keys
from mta.queue.link import Client

BULK_ONLY = frozenset({"complained", "complaint", "unsubscribed", "unsubscribe"})

PLATFORM = ""  # the tenant of entries that operators and erasure make for all
ERASED: Final = "erased"  # the reason of an entry about somebody who was erased
DIGEST: Final = 16  # octets
MAX_EVIDENCE: Final = 500  # characters
_ADDRESS = re.compile(r"[^\s<>\"'(),;:@]{1,64}@[^\s<>\"'(),;:@]{1,255}")
ANY_DOMAIN: Final = b"@"
"""A field beside the digests: there are whole domains among them."""


class Entry(msgspec.Struct, array_like=True):
    """Why an address is suppressed, since when (ms since 1970), what was said of it; `sealed` is the address."""

    reason: str
    by: str
    ts: int
    evidence: str = ""
    campaign: str = ""
    sealed: bytes = b""


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Entry).decode


class Suppressions:
    """The suppression lists; `secret` keys the address hash, `sealing` keeps addresses to be read with it."""

    def __init__(self, client: Client, keys: Keys, secret: bytes, *, sealing: bool = False) -> None:
        self.client = client
        self.keys = keys
        self.sealing = sealing
        self._hash = hashlib.blake2b(key=secret[:64], digest_size=DIGEST, person=b"mta suppress")
        self._seal = ChaCha20Poly1305(
            hashlib.blake2b(key=secret[:64], digest_size=32, person=b"mta sealing").digest()
        )

    def digest(self, address: str) -> bytes:
        """Return the keyed hash of an address; case does not matter, since people retype theirs."""
        state = self._hash.copy()
        state.update(address.lower().encode())
        return state.digest()

    def sealed(self, address: str) -> bytes:
        """Return the address so that only who has the credential can read it; empty when none are kept."""
        if not self.sealing:
            return b""
        # The digest is another one for each address, so the nonce is never used for two texts.
        nonce = self.digest(address)[:12]
        return nonce + self._seal.encrypt(nonce, address.lower().encode(), None)

    def address(self, entry: Entry) -> str:
        """Return the address that stands in an entry; empty when none does, or another credential sealed it."""
        try:
            return self._seal.decrypt(entry.sealed[:12], entry.sealed[12:], None).decode()
        except (InvalidTag, ValueError):
            return ""

    async def add(
        self,
        tenant: str,
        list_: str,
        addresses: Sequence[str],
        reason: str,
        by: str,
        ts: int,
        evidence: str = "",
        campaign: str = "",
    ) -> int:
        """Suppress addresses for a tenant (`list_` empty: all its bulk mail); return how many are new.

        `@example.org` stands for all of a domain. `evidence` is what was said, such as the reply; addresses in it are
        left out, since it can be read without the credential.
        """
        evidence = without_addresses(evidence)
        return await self.put(
            tenant,
            list_,
            [
                (self.digest(one), Entry(reason, by, ts, evidence, campaign, self.sealed(one)))
                for one in addresses
            ],
            domains=any(one.startswith("@") for one in addresses),
        )

    async def erase(self, tenant: str, addresses: Sequence[str], by: str, ts: int) -> int:
        """Suppress people who are erased: what is left holds neither the address nor what was said of it."""
        rows = [(self.digest(one), Entry(ERASED, by, ts)) for one in addresses]
        return await self.put(tenant, "", rows)

    async def put(
        self, tenant: str, list_: str, rows: Iterable[tuple[bytes, Entry]], *, domains: bool = False
    ) -> int:
        """Write entries as they are, by digest; return how many are new."""
        found = {digest: encode(entry) for digest, entry in rows}
        if not found:
            return 0
        key, now = self.keys.suppression(tenant, list_), int(time.time() * 1000)
        pipe = self.client.pipeline(transaction=False)
        pipe.hset(key, mapping=found)
        if domains:
            pipe.hset(key, ANY_DOMAIN, b"1")
        # Last: who looks there first finds the entries.
        pipe.hset(self.keys.suppressing, mapping={tenant: now, f"{tenant}|{list_}": now})
        return int((await pipe.execute())[0])

    async def remove(self, tenant: str, list_: str, addresses: Sequence[str]) -> int:
        """Lift suppressions; return how many there were."""
        if not addresses:
            return 0
        digests = [self.digest(address) for address in addresses]
        return int(await self.client.hdel(self.keys.suppression(tenant, list_), *digests))

    async def changed(self, tenants: Sequence[str]) -> list[int]:
        """Return when the lists of each tenant had their last new entry: ms since 1970, 0 for never."""
        return [int(value or 0) for value in await self.client.hmget(self.keys.suppressing, list(tenants))]

    async def find(
        self, tenant: str, list_: str, addresses: Sequence[str], *, bulk: bool = True
    ) -> list[str]:
        """Return for each address the reason it is suppressed, or an empty string.

        Looks in the list, in the tenant's own entries and in the platform's. Mail that is not bulk is stopped by
        bad addresses alone, not by a complaint or an unsubscribe (docs/protocol.md).
        """
        out = [""] * len(addresses)
        if not addresses:
            return out
        scopes = [(tenant, ""), (PLATFORM, "")] + ([(tenant, list_)] if list_ else [])
        # Most lists are empty: asking that first saves hashing, sending and reading nothing 256 times.
        pipe = self.client.pipeline(transaction=False)
        for scope in scopes:
            pipe.exists(self.keys.suppression(*scope))
        filled = [scope for scope, exists in zip(scopes, await pipe.execute(), strict=True) if exists]
        if not filled:
            return out
        digests = [self.digest(address) for address in addresses]
        rows = await self._rows(filled, [*digests, ANY_DOMAIN])
        _note(out, [row[:-1] for row in rows], bulk=bulk)
        wide = [scope for scope, row in zip(filled, rows, strict=True) if row[-1] is not None]
        if wide:
            domains = [f"@{address.rpartition('@')[2]}" for address in addresses]
            own = {domain: number for number, domain in enumerate(dict.fromkeys(domains))}
            rows = await self._rows(wide, [self.digest(domain) for domain in own])
            _note(out, [[row[own[domain]] for domain in domains] for row in rows], bulk=bulk)
        return out

    async def _rows(self, scopes: Sequence[tuple[str, str]], fields: Sequence[bytes]) -> list[list[Any]]:
        pipe = self.client.pipeline(transaction=False)
        for scope in scopes:
            pipe.hmget(self.keys.suppression(*scope), fields)
        rows: list[list[Any]] = await pipe.execute()
        return rows


def without_addresses(evidence: str) -> str:
    """Return what was said as it may stand in an entry: cut, and without mail addresses."""
    return _ADDRESS.sub("(address)", evidence[:MAX_EVIDENCE])


def _note(out: list[str], rows: Iterable[Sequence[Any]], *, bulk: bool) -> None:
    for row in rows:
        for number, value in enumerate(row):
            if value is not None and not out[number]:
                reason = decode(value).reason
                if bulk or reason not in BULK_ONLY:
                    out[number] = reason
