"""DKIM keys from files, `<directory>/<domain>/<selector>.pem`: loaded once, and a bounded number kept.

A key that was good and can't be read any more, because somebody is just writing the file or wrote it badly, goes on
signing until the file is good again.
"""

import asyncio
import logging
from pathlib import Path

from mta.dkim.key import KeyFault, Signer, load

_log = logging.getLogger("mta")

MAX_KEY_FILE = 64 << 10
MOST_DOMAINS = 10_000  # a signer takes some 10 KB


class Keyring:
    """Signers by domain; a domain without a folder has none. `read_again` makes a reload see new files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.faults: dict[Path, str] = {}  # files that are bad while a key of theirs signs
        self._known: dict[tuple[str, tuple[str, ...]], asyncio.Future[list[Signer]]] = {}
        self._good: dict[Path, Signer] = {}

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

    def read_again(self, directory: Path) -> None:
        """Read the files, of another directory it may be, when they are next asked for."""
        if directory != self.directory:
            self.directory = directory
            self._good.clear()
        self.faults.clear()
        self._known.clear()

    def _drop_if_failed(self, key: tuple[str, tuple[str, ...]], done: "asyncio.Future[list[Signer]]") -> None:
        if done.cancelled() or done.exception() is not None or self._faulty(key[0]):
            self._known.pop(key, None)

    def _faulty(self, domain: str) -> bool:
        return any(path.parent.name == domain for path in tuple(self.faults))

    def _load(self, domain: str, selectors: tuple[str, ...]) -> list[Signer]:
        folder = self.directory / domain
        paths = [folder / f"{name}.pem" for name in selectors] or sorted(folder.glob("*.pem"))
        found = [self._read(domain, path) for path in paths]
        return sorted(found, key=lambda signer: signer.algorithm != "rsa-sha256")

    def _read(self, domain: str, path: Path) -> Signer:
        try:
            with path.open("rb") as file:
                signer = load(domain, path.stem, file.read(MAX_KEY_FILE))
        except FileNotFoundError:
            self._good.pop(path, None)  # taken away on purpose
            raise
        except (KeyFault, OSError) as error:
            before = self._good.get(path)
            if before is None:
                raise
            if path not in self.faults:
                _log.error("%s can't be used; the key that was there before goes on signing: %s", path, error)
            self.faults[path] = str(error)
            return before
        if self.faults.pop(path, None) is not None:
            _log.info("%s is a good key again", path)
        self._good[path] = signer
        while len(self._good) > MOST_DOMAINS:
            self._good.pop(next(iter(self._good)))
        return signer
