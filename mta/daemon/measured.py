"""Calls to Redis and DNS questions, timed and counted at the assembly: no lower room need know it is measured."""

import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from mta.metrics.meter import Meter
from mta.net.resolver import Answer, Ask
from mta.queue import scripts
from mta.queue.link import Client, QueueDown


@cache
def script_names() -> dict[str, str]:
    """Return the name of every script by the digest it is called by."""
    return {scripts.digest(name): name for name in scripts.names()}


def time_calls(client: Client, meter: Meter) -> None:
    """Have every single call of a client timed and its failures counted, under the script's or command's name."""
    inner: Callable[..., Awaitable[Any]] = client.execute_command
    names = script_names()

    async def timed(*args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        command = args[0] if isinstance(args[0], str) else bytes(args[0]).decode()
        call = names.get(args[1], "script") if command == "EVALSHA" else command.partition(" ")[0].lower()
        try:
            return await inner(*args, **options)
        except QueueDown:
            meter.count("redis_errors_total")
            raise
        except Exception as error:
            if str(error).startswith("LOST"):
                meter.count("lease_lost_total")
            raise
        finally:
            meter.observe("redis_call_seconds", time.perf_counter() - began, call)

    client.execute_command = timed


def counted_ask(ask: Ask, meter: Meter) -> Ask:
    """Return a function that asks the DNS and counts what came of it."""

    async def asked(name: str, kind: str) -> Answer:
        began = time.perf_counter()
        result = "error"
        try:
            answer = await ask(name, kind)
            result = "answer" if answer.values else "none"
            return answer
        finally:
            meter.count("dns_lookups_total", result)
            meter.observe("dns_lookup_seconds", time.perf_counter() - began)

    return asked
