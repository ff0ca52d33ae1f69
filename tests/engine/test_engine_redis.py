"""Redis dies under a working engine, or its engine dies over it: nothing is lost, nothing is left."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil

PEOPLE = 400


def server_of(root: int) -> psutil.Process:
    """The engine's own Redis or Valkey."""
    for process in psutil.Process(root).children(recursive=True):
        if any(word in process.name() for word in ("redis", "valkey")):
            return process
    raise AssertionError("no server below the engine")


def test_a_killed_server_is_started_again_and_nobody_is_forgotten(engine: Callable[..., Any]) -> None:
    running = engine(signed=False, sink=("--dot-delay-ms", "40"), settings={"limits": {"connections": 3}})
    running.campaign([[f"u{n}@d{n % 5}.example.test"] for n in range(PEOPLE)], ["email"])
    running.until(20, "delivered")
    for _ in range(2):
        server_of(running.rig.engine.pid).kill()
        time.sleep(1.5)
    finals = running.until(PEOPLE, "delivered", "bounced", "failed", "expired")
    assert len({event["rcpt"] for event in finals}) == len(finals) == PEOPLE
    received = running.rig.received()
    assert received["distinct_recipients"] == PEOPLE
    running.campaign([["late@d1.example.test"]], ["email"], id="after")
    running.until(PEOPLE + 1, "delivered")
    assert running.rig.engine.poll() is None


def test_a_killed_supervisor_leaves_no_server_and_no_role(engine: Callable[..., Any]) -> None:
    running = engine(signed=False)
    tree = psutil.Process(running.rig.engine.pid).children(recursive=True)
    assert len(tree) >= 6
    os.kill(running.rig.engine.pid, signal.SIGKILL)
    running.rig.engine.wait()
    _, alive = psutil.wait_procs(tree, timeout=10)
    alive = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert alive == []
    running.rig.start_engine()
    running.campaign([["jo@d1.example.test"]], ["email"])
    running.until(1, "delivered")
