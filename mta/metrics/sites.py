"""The busiest receiving sites get series of their own, all others share `other`, and no counter ever falls.

What a site counts goes, increment by increment, to its own series while it is among the busiest and to `other`
while it is not: so a site that rises or falls moves no past counts about.
"""

from mta.metrics.catalogue import BY_NAME
from mta.metrics.meter import OTHER, Series

VOLUME = ("messages_delivered_total", "messages_deferred_total", "messages_bounced_total")


class Busiest:
    """Decides which sites are shown; `most` of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.shown: set[str] = set()
        self._last: dict[tuple[str, tuple[str, ...]], float] = {}
        self._out: dict[str, Series] = {}

    def choose(self, counters: dict[str, Series]) -> None:
        """Look at all totals; a site already shown counts as twice as busy, so that none flickers at the edge."""
        volume: dict[str, float] = {}
        for name in VOLUME:
            for labels, value in counters.get(name, {}).items():
                volume[labels[0]] = volume.get(labels[0], 0) + value * (1 + (labels[0] in self.shown))
        volume.pop(OTHER, None)
        self.shown = set(sorted(volume, key=lambda site: (-volume[site], site))[: self.most])

    def counters(self, name: str, series: Series) -> Series:
        """Return the series of a counter as they are shown."""
        at = _site_of(name)
        if at is None:
            return series
        out = self._out.setdefault(name, {})
        for labels, value in series.items():
            key = (name, labels)
            grown = value - self._last.get(key, 0)
            self._last[key] = value
            target = self._placed(labels, at)
            if grown > 0 or target not in out:
                out[target] = out.get(target, 0) + max(grown, 0)
        for labels in [one for one in out if one[at] != OTHER and one[at] not in self.shown]:
            del out[labels]
        return dict(out)

    def gauges(self, name: str, series: Series) -> Series:
        """Return the series of a gauge as they are shown."""
        at = _site_of(name)
        if at is None:
            return series
        out: Series = {}
        for labels, value in series.items():
            target = self._placed(labels, at)
            out[target] = out.get(target, 0) + value
        return out

    def _placed(self, labels: tuple[str, ...], at: int) -> tuple[str, ...]:
        return labels if labels[at] in self.shown else (*labels[:at], OTHER, *labels[at + 1 :])


def _site_of(name: str) -> int | None:
    labels = BY_NAME[name].labels
    return labels.index("site") if "site" in labels else None
