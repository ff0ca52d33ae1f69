"""What receivers answered of late, per path, and what follows from it: handed to the queue with the next settle.

A worker sees its own part only. Shares are the same whoever looks; what has to be added up over all workers (how many
within an hour) Redis adds up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mta.queue.lanes import Counted, Slow
from mta.throttle.reactions import Rule
from mta.verdict import Stage

LEAST: Final = 10  # attempts that make a share
MOST: Final = 100  # good ones in a row that are remembered
SHARED: Final = 1000  # attempts over which the share of a class is taken, halved when they are reached
MOST_PATHS: Final = 10_000
BEFORE_MAIL: Final = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS})


@dataclass(slots=True)
class Window:
    """The attempts of one path since something was last told of it."""

    since: float  # time.monotonic
    ok: int = 0  # halved when it reaches MOST
    refused: int = 0
    attempts: int = 0
    total: int = 0  # for shares of classes
    classes: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Heard:
    """What the next settle tells: paces, connections, and what rules are to count."""

    slows: dict[str, Slow] = field(default_factory=dict)
    fews: dict[str, int] = field(default_factory=dict)
    counted: dict[tuple[str, str], Counted] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.slows or self.fews or self.counted)


class Answers:
    """Listens to verdicts; `told` is called when there is something for the queue in `heard`."""

    def __init__(self, told: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.told = told
        self.clock = clock
        self.heard = Heard()
        self._windows: dict[str, Window] = {}

    def take(self) -> Heard:
        """Return what is to be told, and begin anew; it is lost with a settle that fails, which costs a hint."""
        heard, self.heard = self.heard, Heard()
        return heard

    def good(self, path: str, began: float) -> None:
        """An attempt that began then (time.monotonic) was not refused for its pace. Runs for every message."""
        one = self._windows.get(path)
        if one is None:
            one = self._window(path, began)
        one.total += 1
        if began >= one.since:
            one.attempts += 1
            one.ok += 1
            if one.refused:
                self._tell(path, one)
            elif one.ok >= MOST:
                one.ok //= 2

    def bad(
        self, path: str, cls: str, stage: Stage, began: float, sessions: int, rules: tuple[Rule, ...]
    ) -> None:
        """An attempt got a refusal of this class; `sessions` are open on the path, `rules` are those of the class."""
        if cls != "rate_limited":
            self.good(path, began)
        elif stage in BEFORE_MAIL:
            self.heard.fews[path] = max(1, sessions)
            self.told()
        one = self._windows.get(path) or self._window(path, began)
        if cls == "rate_limited" and stage not in BEFORE_MAIL:
            one.total += 1
            if began >= one.since:
                one.attempts += 1
                one.refused += 1
                self._tell(path, one)
        if rules:
            self._count(path, cls, one, rules)

    def _window(self, path: str, began: float) -> Window:
        if len(self._windows) >= MOST_PATHS:
            del self._windows[next(iter(self._windows))]
        one = self._windows[path] = Window(min(began, self.clock()))
        return one

    def _tell(self, path: str, one: Window) -> None:
        n = one.ok + one.refused
        if n < LEAST:
            return
        now = self.clock()
        age = max(now - one.since, 0.001)
        # One refusal is no share yet: it says that the limit was met, not by how much.
        share = (one.refused - 1) / n
        self.heard.slows[path] = Slow(path, share, int(age * 1000), one.attempts / age)
        one.since, one.ok, one.refused, one.attempts = now, 0, 0, 0
        self.told()

    def _count(self, path: str, cls: str, one: Window, rules: tuple[Rule, ...]) -> None:
        if one.total >= SHARED:
            one.total //= 2
            one.classes = {name: n // 2 for name, n in one.classes.items()}
        seen = one.classes[cls] = one.classes.get(cls, 0) + 1
        for rule in rules:
            if rule.share and seen < rule.share * max(one.total, LEAST):
                continue
            known = self.heard.counted.get((path, rule.name))
            if known is None:
                self.heard.counted[(path, rule.name)] = Counted(path, rule, cls, 1)
            else:
                known.n += 1
            self.told()
