"""A whole engine for a test: `mta run` in processes of its own, a name server, and the scripted receiver."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.load import connect
from bench.rig import Rig, Setup

WAIT_SECONDS = 40.0


class Engine:
    """A running engine and its surroundings, in a test's words."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def xadd(self, stream: str, kind: str, tenant: str, key: str, document: dict[str, Any]) -> None:
        """Submit one document as any producer would."""

        async def submit() -> None:
            redis = connect(self.rig.redis_url)
            fields = {"v": "1", "kind": kind, "tenant": tenant, "key": key, "data": json.dumps(document)}
            await redis.xadd(f"mta:submit:{stream}", fields)
            await redis.aclose()

        asyncio.run(submit())

    def campaign(self, rows: list[list[str]], columns: list[str], **more: Any) -> None:
        """Submit a bulk campaign of tenant t0 with these rows."""
        name = more.pop("id", "spring")
        document = {
            "id": name, "tenant": "t0", "list": "customers", "from": "News <news@t0.example>",
            "subject": "Hi {{first|friend}}", "text": "Hello {{first|friend}}\n", **more,
        }  # fmt: skip
        self.xadd("bulk", "campaign", "t0", f"{name}.c", document)
        for start in range(0, len(rows), 500):
            part = rows[start : start + 500]
            entry = {
                "tenant": "t0",
                "campaign": name,
                "columns": columns,
                "rows": part,
                "last": start + 500 >= len(rows),
            }
            self.xadd("bulk", "recipients", "t0", f"{name}.{start}", entry)

    def events(self, kind: str = "") -> list[dict[str, str]]:
        """Return the events on the stream, of one kind or all."""

        async def read() -> list[dict[str, str]]:
            redis = connect(self.rig.redis_url)
            rows = await redis.xrange("mta:{0}:events")
            await redis.aclose()
            return [fields for _, fields in rows if not kind or fields["event"] == kind]

        return asyncio.run(read())

    def until(self, count: int, *kinds: str, seconds: float = WAIT_SECONDS) -> list[dict[str, str]]:
        """Wait until there are `count` events of these kinds and return them."""
        ends = time.monotonic() + seconds
        found: list[dict[str, str]] = []
        while time.monotonic() < ends:
            found = [event for event in self.events() if event["event"] in kinds]
            if len(found) >= count:
                return found
            time.sleep(0.1)
        raise AssertionError(
            f"{len(found)} of {count} {kinds} after {seconds} s\n{self.rig.log_tail()}\n{self.events()[-3:]}"
        )

    def captured(self, count: int, seconds: float = WAIT_SECONDS) -> list[bytes]:
        """Wait for `count` captured messages and return them."""
        folder = self.rig.root / "captured"
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            found = sorted(folder.glob("*.eml"), key=lambda path: int(path.stem)) if folder.exists() else []
            if len(found) >= count:
                return [path.read_bytes() for path in found]
            time.sleep(0.1)
        raise AssertionError(f"{len(found)} of {count} captured\n{self.rig.log_tail()}")


@pytest.fixture
def engine() -> Iterator[Callable[..., Engine]]:
    """Start engines: `engine(sink=(...), settings={...}, start=True)`; all end with the test."""
    with contextlib.ExitStack() as stack:

        def start(
            *, sink: tuple[str, ...] = (), capture: bool = False, start: bool = True, **more: Any
        ) -> Engine:
            rig = Rig(Setup(tenants=more.pop("tenants", 1), receiver="sink", sink=sink, **more))
            stack.enter_context(rig)
            if capture:
                rig.restart_receiver("--capture", str(rig.root / "captured"))
            if start:
                rig.start_engine()
            return Engine(rig)

        yield start
