"""A sink that can be killed and asked afterwards: at SIGUSR1 it writes what it has counted and ends by SIGKILL.

Between the count and the end nothing happens, so every dot that was open then, or answered to a peer that had not shown
that it knew, is counted as unconfirmed. The next life goes on from there. Replies come after 20 to 200 ms, by domain;
some recipients are refused at first, some for good.
"""

import asyncio
import json
import os
import pickle
import signal
from pathlib import Path

import click
import uvloop

from bench.sink import Where, run
from mta.demo.behaviour import Behaviour
from mta.demo.counts import Counts
from mta.demo.receiver import Receiver

DOMAINS = 20
SUFFIX = "example.test"
SLOWEST_MS, FASTEST_MS = 200.0, 20.0


def behaviours(temporary: float, permanent: float) -> dict[str, Behaviour]:
    """Return how each domain behaves: the replies of d0 come quickest."""
    step = (SLOWEST_MS - FASTEST_MS) / (DOMAINS - 1)
    return {
        f"d{n}.{SUFFIX}": Behaviour(
            reply_delay_ms=FASTEST_MS + n * step, dot_delay_ms=FASTEST_MS + n * step, temp_share=temporary,
            perm_share=permanent,
        )
        for n in range(DOMAINS)
    }  # fmt: skip


def end(receiver: Receiver, state: Path) -> None:
    """Write the counts and end at once, as a killed process does."""
    for session in list(receiver.sessions):
        session.connection_lost(None)
    path = state.with_suffix(".new")
    path.write_bytes(pickle.dumps(receiver.counts))
    path.replace(state)
    os.kill(os.getpid(), signal.SIGKILL)


def counts(state: Path) -> Counts:
    """Return what earlier lives counted; connections are this life's."""
    found = pickle.loads(state.read_bytes()) if state.exists() else Counts()
    assert isinstance(found, Counts)
    return found


@click.command(context_settings={"show_default": True})
@click.option("--port", default=0)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--temp-share", default=0.0)
@click.option("--perm-share", default=0.0)
def main(port: int, state: Path, temp_share: float, perm_share: float) -> None:
    """Receive mail by SMTP on loopback and count it over all lives."""
    if os.environ.get("PYTHONHASHSEED") in (None, "random"):
        raise click.UsageError(
            "set PYTHONHASHSEED=0: what was seen is kept as hashes, from one life to the next"
        )

    async def serve() -> dict[str, object]:
        receiver = Receiver(domains=behaviours(temp_share, perm_share))
        receiver.counts = counts(state)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, end, receiver, state)
        return await run(receiver, Where(hosts=("127.0.0.1",), port=port, control_port=0), "uvloop")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(serve())), flush=True)


if __name__ == "__main__":
    main()
