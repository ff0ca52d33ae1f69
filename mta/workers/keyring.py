"""DKIM keys from files, `<directory>/<domain>/<selector>.pem`: loaded once, and a bounded number kept."""

import asyncio
from pathlib import Path

from mta.dkim.key import Signer, load

MAX_KEY_FILE = 64 << 10
MOST_DOMAINS = 10_000  # a signer takes some 10 KB


class Keyring:
    """Signers by domain; a domain without a folder has none. `forget` makes a reload see new files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._known: dict[tuple[str, tuple[str, ...]], asyncio.Future[list[Signer]]] = {}

    async def signers(self, domain: str, selectors: tuple[str, ...] = ()) -> list[Signer]:
        """Return the signers of a domain, RSA first; all of them, or the named selectors.

        Raises KeyFault when a file holds no usable key, FileNotFoundError when a named selector has no file.
        """
        key = (domain, selectors)
        known = self._known.get(key)
        if known is None:
            known = asyncio.ensure_future(asyncio.to_thread(self._load, domain, selectors))
            self._known[key] = known
            if len(self._known) > MOST_DOMAINS:
                self._known.pop(next(iter(self._known)))
            known.add_done_callback(lambda done: self._drop_if_failed(key, done))
        return await asyncio.shield(known)

    def forget(self) -> None:
        """Read the files again when they are next asked for."""
        self._known.clear()

    def _drop_if_failed(self, key: tuple[str, tuple[str, ...]], done: "asyncio.Future[list[Signer]]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._known.pop(key, None)

    def _load(self, domain: str, selectors: tuple[str, ...]) -> list[Signer]:
        folder = self.directory / domain
        paths = [folder / f"{name}.pem" for name in selectors] or sorted(folder.glob("*.pem"))
        found = []
        for path in paths:
            with path.open("rb") as file:
                found.append(load(domain, path.stem, file.read(MAX_KEY_FILE)))
        return sorted(found, key=lambda signer: signer.algorithm != "rsa-sha256")
