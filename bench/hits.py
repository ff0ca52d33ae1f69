"""What a web page's visitors cost it: hits on kept connections, as fast as answers come or at a set rate.

python -m bench.hits PORT SECONDS RATE CONNECTIONS < paths

One JSON document: hits, seconds, replies by status, latencies. RATE 0 is as fast as answers come. At a rate each hit
has the instant at which it is due, and its latency counts from there: a server that stalls is late for all that wait.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import uvloop

AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"


class Visitor(asyncio.Protocol):
    """One connection: one hit at a time."""

    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.due = 0.0
        self.left = -1  # octets of the reply's body that have not come; -1: its head has not
        self.head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop has transports of its own class.
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.crowd.free.append(self)
        self.crowd.send()

    def hit(self, path: str, due: float) -> None:
        """Ask for a page."""
        self.due = due
        request = f"GET {path} HTTP/1.1\r\nHost: t.t0.example\r\nUser-Agent: {AGENT}\r\n\r\n"
        self.transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        if self.left < 0:
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            self.head = b""
            self.crowd.statuses[int(head[9:12])] += 1
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            self.left = int(length or 0)
        self.left -= len(data)
        if self.left <= 0:
            self.left = -1
            self.crowd.latencies.append(time.perf_counter() - self.due)
            self.crowd.free.append(self)
            self.crowd.send()


class Crowd:
    """All visitors."""

    def __init__(self, paths: Sequence[str], rate: float, seconds: float) -> None:
        self.paths = paths
        self.rate = rate
        self.seconds = seconds
        self.free: deque[Visitor] = deque()
        self.waiting: deque[float] = deque()  # hits that are due, and no connection is free
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.sent = 0
        self.ends = 0.0

    def send(self) -> None:
        """Use free connections for what is due."""
        now = time.perf_counter()
        while self.free and (self.waiting or (not self.rate and now < self.ends)):
            due = self.waiting.popleft() if self.waiting else now
            self.free.popleft().hit(self.paths[self.sent % len(self.paths)], due)
            self.sent += 1

    async def run(self, port: int, connections: int) -> dict[str, Any]:
        """Come; return the document."""
        here = asyncio.get_running_loop()
        for _ in range(connections):
            await here.create_connection(lambda: Visitor(self), "127.0.0.1", port)
        began = time.perf_counter()
        self.ends = began + self.seconds
        made = 0
        self.send()
        while (now := time.perf_counter()) < self.ends:
            while self.rate and made < (now - began) * self.rate:
                self.waiting.append(began + made / self.rate)
                made += 1
            self.send()
            await asyncio.sleep(0.001 if self.rate else 0.05)
        while len(self.latencies) < self.sent + len(self.waiting):
            if time.perf_counter() > self.ends + 30:
                raise TimeoutError("replies are missing")
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        for visitor in self.free:
            visitor.transport.close()
        ordered = sorted(self.latencies)
        return {
            "hits": len(ordered),
            "seconds": round(took, 3),
            "per_second": round(len(ordered) / took, 1),
            "statuses": dict(self.statuses),
            "ms": {
                name: round(ordered[int(len(ordered) * share)] * 1000, 2)
                for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
            },
        }


def main() -> None:
    """Read paths, hit them, print."""
    port, seconds, rate, connections = (
        int(sys.argv[1]),
        float(sys.argv[2]),
        float(sys.argv[3]),
        int(sys.argv[4]),
    )
    crowd = Crowd(sys.stdin.read().split(), rate, seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(crowd.run(port, connections))))


if __name__ == "__main__":
    main()
