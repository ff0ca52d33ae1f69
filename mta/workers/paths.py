"""A worker's sessions by path: how many are open, which are idle, and what the next take must be told.

Decides only; opening and closing is done by others with what these methods return.
"""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from mta.queue.lanes import Report

WINDOW = 0.25  # seconds of work a batch may hold (docs/redis.md): priority waits no longer behind it


class Closable(Protocol):
    """What this module needs of a session."""

    @property
    def usable(self) -> bool:
        """Whether another batch may start on it."""

    @property
    def hosts(self) -> str:
        """The mail hosts it may be used for: what domains must have in common to share it."""


S = TypeVar("S", bound=Closable)


@dataclass(slots=True)
class Sessions(Generic[S]):
    """The sessions of one path."""

    path: str
    batch: int
    open: int = 0
    idle: list[S] = field(default_factory=list)
    pace: float = 0.0  # seconds a message takes on one session, smoothed


class Paths(Generic[S]):
    """All paths a worker has sessions on; `most` messages a batch may hold, `first` before a pace is known."""

    def __init__(self, first: int, most: int) -> None:
        self.first = first
        self.most = most
        self.table: dict[str, Sessions[S]] = {}
        self.changed: set[str] = set()

    def __repr__(self) -> str:
        rows = [f"{one.path} {one.open} open {len(one.idle)} idle" for one in self.table.values()]
        return f"<Paths {'; '.join(rows) or 'none'}>"

    def begin(self, path: str, fresh: bool, hosts: str) -> S | None:
        """Count a taken batch in; return the idle session to use, or None: open one.

        The queue has granted a permit for a fresh one; otherwise it counted on an idle one, and if that has
        died meanwhile a new session takes its place under the limit. One that leads to other hosts is returned
        when there is no better: its permit is what the batch may use, once it has ended.
        """
        one = self.table.get(path)
        if one is None:
            one = self.table[path] = Sessions(path, self.first)
        if not fresh:
            other: S | None = None
            for session in reversed(one.idle):
                if session.usable:
                    other = other or session
                    if session.hosts == hosts:
                        other = session
                        break
            if other is not None:
                one.idle.remove(other)
                return other
        one.open += 1
        return None

    def ready(self, path: str, session: S) -> None:
        """A session has finished its batch and can take another."""
        one = self.table[path]
        one.idle.append(session)
        self.changed.add(path)

    def retire(self, path: str, session: S) -> None:
        """An idle session is about to end: no batch may be given to it, its permit stays until it is gone."""
        one = self.table[path]
        if session in one.idle:
            one.idle.remove(session)
            self.changed.add(path)

    def closed(self, path: str, session: S | None = None) -> None:
        """A session, or the attempt to open one, has ended: its permit goes back."""
        one = self.table[path]
        one.open -= 1
        if session is not None and session in one.idle:
            one.idle.remove(session)
        self.changed.add(path)

    def paced(self, path: str, messages: int, seconds: float) -> None:
        """Learn from a finished batch how many messages a session can send within the window."""
        one = self.table[path]
        if messages:
            each = seconds / messages
            one.pace = each if one.pace == 0.0 else 0.7 * one.pace + 0.3 * each
            fitting = int(WINDOW / one.pace) if one.pace > 0 else self.most
            # At most doubled each time: one lucky batch proves little.
            one.batch = max(1, min(fitting, one.batch * 2, self.most))

    def reports(self) -> list[Report]:
        """Return what changed since the last call, for the next take; give it back with `untold` if that fails."""
        out = []
        for path in self.changed:
            one = self.table[path]
            out.append(Report(path, one.open, len(one.idle), one.batch))
            if one.open == 0:
                del self.table[path]
        self.changed = set()
        return out

    def tell_all(self) -> None:
        """Tell everything again: the queue has forgotten what this worker held (it registered anew)."""
        self.changed.update(self.table)

    def untold(self, reports: list[Report]) -> None:
        """The take that carried these reports failed: tell them again."""
        for report in reports:
            if report.path not in self.table:
                self.table[report.path] = Sessions(report.path, report.batch)
            self.changed.add(report.path)

    @property
    def busy(self) -> int:
        """Sessions that are open or opening and not idle."""
        return sum(one.open - len(one.idle) for one in self.table.values())
