"""Which slot of a cluster a command belongs to, and which node serves a slot: no connections here.

A cluster is cut into 16,384 slots; a key's slot is the CRC16 of its hash tag, or of the whole name (Redis cluster
specification, "Key distribution model").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from redis.crc import key_slot

SLOTS = 16384
GUARD = "~"  # ends the second key of a script, see `guarded`

Address = tuple[str, int]  # host, port

_KEYLESS = frozenset(
    {
        "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "DEBUG", "ECHO", "FLUSHALL", "INFO", "KEYS",
        "LATENCY", "PING", "SCRIPT", "SLOWLOG", "TIME", "WAIT", "WAITAOF",
    }
)  # fmt: skip
_KEY_SECOND = frozenset({"XGROUP", "XINFO", "MEMORY", "OBJECT"})  # a word comes before the key
_SCRIPTS = frozenset({"EVAL", "EVALSHA"})


def slot_of(key: str | bytes) -> int:
    """Return the slot of a key's name."""
    return int(key_slot(key if isinstance(key, bytes) else key.encode()))


def words_of(args: Sequence[Any]) -> list[Any]:
    """Return a command as the wire has it: redis-py gives names of two words as one."""
    name = args[0].decode() if isinstance(args[0], bytes) else str(args[0])
    first, *more = name.upper().split()
    return [first, *more, *args[1:]]


def key_of(args: Sequence[Any]) -> str | bytes | None:
    """Return the first key of a command; None when it has none and any node will do."""
    name, *rest = words_of(args)
    key: Any
    if name in _SCRIPTS:
        key = rest[2] if int(rest[1]) else None
    elif name in ("XREAD", "XREADGROUP"):
        at = next(n for n, word in enumerate(rest) if word in ("STREAMS", b"STREAMS"))
        key = rest[at + 1]
    elif name == "SCAN":
        # A pattern with a hash tag says where its keys are.
        found = next((rest[n + 1] for n, word in enumerate(rest[:-1]) if word in ("MATCH", b"MATCH")), None)
        key = found if found is not None and "{" in _text(found) else None
    elif name in _KEYLESS and name != "MEMORY":
        key = None
    elif name in _KEY_SECOND:
        key = rest[1] if len(rest) > 1 else None
    else:
        key = rest[0] if rest else None
    return key if key is None or isinstance(key, bytes) else str(key)


def guarded(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a script's call with a second key in the same slot.

    While a slot is being moved a node lets a call of one key through, to the old or to the new place, and a script
    would find half of what it works on. A call of two different keys is answered TRYAGAIN by both places as long as
    one of the keys is not there, and neither of these ever is: KEYS[1] is a prefix.
    """
    if words_of(args)[0] not in _SCRIPTS or int(args[2]) != 1:
        return args
    return (*args[:2], 2, args[3], _text(args[3]) + GUARD, *args[4:])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(slots=True)
class View:
    """Who serves what, as one node sees it; `ranges` are (first, last, primary, replicas), sorted."""

    ranges: list[tuple[int, int, Address, tuple[Address, ...]]] = field(default_factory=list)
    moved: dict[int, Address] = field(default_factory=dict)

    @classmethod
    def read(cls, rows: Iterable[Sequence[Any]], asked: str) -> "View":
        """Return the view in a reply to CLUSTER SLOTS; a node that does not know its name is `asked`."""
        ranges = []
        for first, last, *nodes in rows:
            primary, *replicas = (
                (_text(node[0]) if node[0] not in (None, b"", b"?") else asked, int(node[1]))
                for node in nodes
            )
            ranges.append((int(first), int(last), primary, tuple(replicas)))
        return cls(sorted(ranges))

    @property
    def primaries(self) -> list[Address]:
        """The nodes that serve slots."""
        return sorted({primary for _, _, primary, _ in self.ranges} | set(self.moved.values()))

    @property
    def replicas(self) -> dict[Address, Address]:
        """Each replica's primary."""
        return {one: primary for _, _, primary, replicas in self.ranges for one in replicas}

    def primary_of(self, slot: int) -> Address | None:
        """Return the node that serves a slot; None when no node does."""
        if slot in self.moved:
            return self.moved[slot]
        return next((primary for first, last, primary, _ in self.ranges if first <= slot <= last), None)

    def missing(self) -> list[tuple[int, int]]:
        """Return the ranges of slots that no node serves."""
        edges = [(-1, -1), *((first, last) for first, last, *_ in self.ranges), (SLOTS, SLOTS)]
        return [(end + 1, start - 1) for (_, end), (start, _) in pairwise(edges) if start > end + 1]
