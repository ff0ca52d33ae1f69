"""The command line against a private server: a configuration that leads there, and an engine behind it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mta.archive.archive import Archive
from mta.cli.main import main
from mta.demo.nameserver import Nameserver
from mta.demo.zone import Zone
from mta.event import event
from mta.ingest.expander import Expander
from mta.ingest.ingest import Ingest
from mta.ingest.mailroom import Mailroom
from mta.ingest.office import Office
from mta.ingest.orders import Orders
from mta.ingest.putter import Putter
from mta.ingest.routing import Routing
from mta.ingest.sorter import Sorter
from mta.keeper.guard import Doors as GuardDoors
from mta.keeper.guard import Guard
from mta.keeper.guard import Settings as GuardSettings
from mta.keeper.keeper import Doors, Keeper, Settings
from mta.queue.audit import AuditLog
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.guardbook import GuardBook
from mta.queue.intake import Intake
from mta.queue.keys import Keys
from mta.queue.lanes import OP_FINAL, PathDefaults, Queue
from mta.queue.lanes import Result as Settled
from mta.queue.link import Server, connect
from mta.queue.progress import Progress
from mta.queue.shelves import Shelves
from mta.queue.sifting import Sifting
from mta.queue.suppression import Suppressions
from mta.queue.terms import TermsBook
from mta.queue.upkeep import Upkeep

Run = Callable[..., Result]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def config(redis_url: str, tmp_path: Path, state: Path) -> Path:
    """A configuration of the private server, which is emptied."""

    async def empty() -> None:
        client = connect(Server(redis_url))
        await client.flushall()
        await client.aclose()

    asyncio.run(empty())
    path = tmp_path / "mta.toml"
    path.write_text(f'[redis]\nurl = "{redis_url}"\n[paths]\nstate = "{state}"\n')
    return path


@pytest.fixture
def mta(config: Path) -> Run:
    """Runs a command with this configuration; `code` is the exit code it must end with."""

    def run(*words: str | Path, code: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(main, [*map(str, words), "-c", str(config)], input=stdin)
        assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.output}"
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def redis(redis_url: str, config: Path) -> Callable[..., Any]:
    """Sends one command to the private server."""

    def call(*words: str | int) -> Any:
        async def one() -> Any:
            client = connect(Server(redis_url))
            try:
                return await client.execute_command(*words)
            finally:
                await client.aclose()

        return asyncio.run(one())

    return call


class Engine:
    """The real ingest and keeper in a thread, and a worker whose receivers take everything at once.

    Mail to reject.example bounces.
    """

    def __init__(self, url: str, state: Path, *, delivers: bool = True) -> None:
        self.url = url
        self.state = state
        self.delivers = delivers
        self.keys = Keys()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Engine":
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _stop(self) -> None:
        self._ingest.drain()
        self._keeper.drain()
        self._expander.drain()
        self._ends.set()

    async def _run(self) -> None:
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        client, blocking, keys = (
            connect(Server(self.url)),
            connect(Server(self.url), blocking=True),
            self.keys,
        )
        intake, control = Intake(client, blocking, keys, "ingest1"), Control(client, keys)
        campaigns, suppressions = Campaigns(client, keys), Suppressions(client, keys, b"secret")
        terms = TermsBook(client, keys)
        orders = Orders(campaigns, control, Sifting(client, keys), terms)
        queue, sorter = Queue(client, keys), Sorter(suppressions, Routing(), 1)
        self._expander = Expander(
            Shelves(client, connect(Server(self.url), blocking=True), keys),
            [queue],
            0,
            sorter,
            campaigns.window,
        )
        mailroom = Mailroom(intake, campaigns, Putter([queue], sorter), control, terms)
        self._ingest = Ingest(
            intake,
            mailroom,
            Office(campaigns, orders, suppressions, terms, AuditLog(client, keys)),
        )
        doors = Doors(
            Upkeep(client, keys),
            Progress(client, keys),
            campaigns,
            control,
            Archive(self.state / "archive"),
            terms,
            Guard(
                GuardSettings(),
                GuardDoors(GuardBook(client, keys), control, campaigns, Progress(client, keys)),
            ),
        )
        self._keeper = Keeper(Settings(keys), doors)
        await intake.prepare()
        self._up.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ingest.run())
            group.create_task(self._keeper.run())
            group.create_task(self._expander.run())
            group.create_task(self._work(queue))
        doors.archive.close()
        await client.aclose()
        await blocking.aclose()
        await self._expander.shelves.blocking.aclose()

    async def _work(self, queue: Queue) -> None:
        epoch, _ = await queue.register("w1", 30_000)
        while not self._ends.is_set():
            await asyncio.sleep(0.01)
            if not self.delivers:
                continue
            taken = await queue.take(
                "w1", epoch, want=256, most=64, lease_ms=30_000, defaults=PathDefaults(connections=100_000)
            )
            results = []
            for item in (item for batch in taken.batches for item in batch.items):
                *_, site, tenant, campaign = item.lane.split("|")
                kind = "bounced" if site == "reject.example" else "delivered"
                told = event(
                    kind, f"{tenant}/{item.record.name}/{kind}/0", taken.now, id=item.record.name, tenant=tenant,
                    campaign=campaign, rcpt=item.record.rcpt, ref=item.record.ref, code=250, reply="ok",
                    class_="recipient_unknown" if kind == "bounced" else "",
                )  # fmt: skip
                flat = [part for pair in told.items() for part in pair]
                results.append(
                    Settled(
                        OP_FINAL,
                        item.id,
                        item.lane,
                        f"{tenant}|{campaign}",
                        kind,
                        body=item.record.body,
                        event=flat,
                    )
                )
            if results:
                await queue.settle("w1", epoch, 30_000, results)


@pytest.fixture
def engine(redis_url: str, config: Path, state: Path) -> Iterator[Engine]:
    """A running engine that delivers."""
    with Engine(redis_url, state) as engine:
        yield engine


@pytest.fixture
def idle_engine(redis_url: str, config: Path, state: Path) -> Iterator[Engine]:
    """A running engine that takes in and sends nothing."""
    with Engine(redis_url, state, delivers=False) as engine:
        yield engine


@pytest.fixture
def mailing(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes a campaign and its people; returns both files."""

    def write(id_: str = "spring", people: int = 5, rows: str = "", **members: Any) -> tuple[Path, Path]:
        document = {
            "id": id_,
            "tenant": "acme",
            "from": "Acme <news@acme.example>",
            "subject": "Hi {{first|you}}",
        }
        campaign, csv = tmp_path / f"{id_}.json", tmp_path / f"{id_}.csv"
        campaign.write_text(json.dumps(document | {"text": "Hello {{first|you}}"} | members))
        lines = "".join(f"p{n}@example.net,u-{n},Person {n}\n" for n in range(people))
        csv.write_text(f"email,ref,first\n{lines}{rows}")
        return campaign, csv

    return write


@pytest.fixture
def lines() -> Callable[[Result], list[dict[str, Any]]]:
    """Reads the JSON lines of a command's output."""
    return lambda result: [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def zone() -> Zone:
    """What the name server says; it also answers for addresses."""
    return Zone(origins=("test", "example", "arpa"))


@pytest.fixture
def name_server(zone: Zone) -> Iterator[int]:
    """The port of a name server that answers from the zone."""
    loop, server = asyncio.new_event_loop(), Nameserver(zone)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
