"""When a source is refused everywhere: by how many sites since one took its mail."""

from typing import Final

SITES: Final = 3
"""Different sites that refuse a source for its reputation with no delivery between: one alone may have a list of its
own, of the large ones several at once do not."""


class Blocked:
    """What receivers lately said of each source."""

    def __init__(self, sites: int = SITES) -> None:
        self.sites = sites
        self._by: dict[str, set[str]] = {}

    def __repr__(self) -> str:
        return f"<Blocked {self._by}>"

    def delivered(self, source: str) -> None:
        """Somebody took its mail."""
        self._by.pop(source, None)

    def refused(self, source: str, site: str) -> bool:
        """A site refuses it; whether that makes it everywhere. Then counting begins anew."""
        by = self._by.setdefault(source, set())
        by.add(site)
        if len(by) < self.sites:
            return False
        del self._by[source]
        return True
