"""The connection to Redis: how it is made, and the check that the server is safe to keep mail in."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from mta.queue.replicas import REPLICA_MS, writes
from mta.queue.wire import packed

CALL_SECONDS = 30.0  # a script holds the server for milliseconds; half a minute means it is gone


class QueueDown(ConnectionError):
    """Redis can't be reached or does not answer; the message names the address and the cause."""


class QueueFull(RuntimeError):
    """Redis refuses new data because its memory limit is reached; results still have room."""


class UnsafeServer(RuntimeError):
    """The server would lose mail; the message names the fault and the cure."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the queue's server is: a redis://, rediss://, unix:// or cluster:// URL, and a password kept out of it."""

    url: str
    password: str = ""
    ca_file: str = ""
    replicas: int = 0  # that must have a write before it counts as done

    @property
    def is_cluster(self) -> bool:
        """Whether the URL names nodes of a cluster: cluster:// or clusters:// (TLS)."""
        return self.url.partition("://")[0] in ("cluster", "clusters")

    def nodes(self) -> list[tuple[str, int]]:
        """Return the nodes that a cluster's URL names; raise ValueError."""
        _, _, rest = self.url.partition("://")
        found = []
        for word in rest.rpartition("@")[2].rstrip("/").split(","):
            host, _, port = word.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError(
                    f"{word!r} is not host:port; a cluster is named as cluster://host:port,host:port"
                )
            found.append((host.strip("[]"), int(port)))
        return found

    def one(self, address: tuple[str, int]) -> "Server":
        """Return a single node of the cluster as a server of its own."""
        scheme, _, rest = self.url.partition("://")
        login, at, _ = rest.rpartition("@")
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return replace(
            self, url=f"{'rediss' if scheme == 'clusters' else 'redis'}://{login}{at}{host}:{address[1]}"
        )

    def __str__(self) -> str:
        """The address without credentials."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


# redis-py's own annotations join the sync and async clients and both decodings into one union, which says
# nothing; what a call returns is stated where it is made.
Client: TypeAlias = Any


_DOWN = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    ReadOnlyError,
)  # a server that still loads is a ConnectionError, too; one that was demoted to a replica is read-only

_AWAY = (
    "UNBLOCKED",  # a blocking read ends because the server became a replica, or the key went to another node
    "NOREPLICAS",  # min-replicas-to-write: the server writes nothing while it is alone
    "Not enough good replicas",  # the same; redis-py cuts the first word off where it knows it
)


def _said(error: Exception) -> QueueDown | QueueFull | None:
    """What callers are told in place of redis-py's error; None: as it is."""
    if isinstance(error, QueueDown):
        return None
    if any(isinstance(one, AuthenticationError) for one in (error, error.__cause__, error.__context__)):
        return None  # a wrong password is not a server that is away, though redis-py counts it so
    if isinstance(error, _DOWN):
        return QueueDown(f"Redis: {error or type(error).__name__}")
    if isinstance(error, ResponseError) and str(error).startswith(_AWAY):
        return QueueDown(f"Redis: {error}")
    if isinstance(error, OutOfMemoryError) or "OOM command not allowed" in str(error):
        return QueueFull(f"Redis has no memory left for new mail: {error}")
    return None


class _Pipeline(aioredis.client.Pipeline):
    seconds: float | None = CALL_SECONDS
    replicas = 0

    async def execute(self, raise_on_error: bool = True) -> Any:
        wait = self.replicas if any(writes(words) for words, _ in self.command_stack) else 0
        if not wait:
            return await self._send(raise_on_error)
        if self.is_transaction:
            replies = await self._send(raise_on_error)
            # Within MULTI a WAIT waits for nobody; after any call it is for all that the server wrote until then.
            self.is_transaction = False
            self.execute_command("PING")
            self.execute_command("WAIT", wait, REPLICA_MS)
            reached = (await self._send(True))[-1]
        else:
            self.execute_command("WAIT", wait, REPLICA_MS)
            *replies, reached = await self._send(raise_on_error)
        if not isinstance(reached, int) or reached < wait:
            raise QueueDown(f"Redis: written, but {reached} of {wait} replicas had it within {REPLICA_MS} ms")
        return replies

    async def _send(self, raise_on_error: bool) -> Any:
        try:
            async with asyncio.timeout(self.seconds):
                return await super().execute(raise_on_error)
        except (RedisError, OSError) as error:
            if (said := _said(error)) is not None:
                raise said from error
            raise


class _Client(aioredis.Redis):
    """Says QueueDown where redis-py has half a dozen words for a server that is not there.

    A call has its time as a whole and the socket none: redis-py would send by `asyncio.wait_for`, which in Python 3.11
    forgets a cancellation that comes as the send ends (CPython issue 86296). The task would then go on for ever.
    """

    seconds: float | None = CALL_SECONDS

    replicas = 0

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.replicas and writes(args):
            pipe = self.pipeline(False)
            pipe.execute_command(*args, **options)
            [reply] = await pipe.execute(False)
            if isinstance(reply, Exception):
                raise _said(reply) or reply
            return reply
        try:
            async with asyncio.timeout(self.seconds):
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            if isinstance(error, ReadOnlyError):
                # Another server is the primary now: the address leads there, these connections do not.
                await self.connection_pool.disconnect(inuse_connections=False)
            if (said := _said(error)) is not None:
                raise said from error
            raise

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> _Pipeline:
        pipeline = _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.seconds, pipeline.replicas = self.seconds, self.replicas
        return pipeline


def connect(server: Server, *, blocking: bool = False) -> Client:
    """Return a client whose calls are sent once: no hidden retry may run a take or a put twice.

    `blocking` is for XREADGROUP BLOCK and BLPOP, whose silence is no failure. Raises ValueError for a bad URL.
    """
    if server.is_cluster:
        from mta.queue.cluster import Cluster

        return Cluster(server.nodes(), lambda address: connect(server.one(address), blocking=blocking))
    options: dict[str, Any] = {
        "protocol": 2,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": 5.0,
        "max_connections": 64,
    }
    if server.password:
        options["password"] = server.password
    if server.ca_file and server.url.startswith("rediss:"):
        options["ssl_ca_certs"] = server.ca_file
    client: Client = _Client.from_url(server.url, **options)
    client.replicas = 0 if blocking else server.replicas
    if blocking:
        client.seconds = None
    pool = client.connection_pool
    pool.connection_class = packed(pool.connection_class)
    return client


async def check(client: Client, server: Server, *, durability: str, replica: bool = False) -> dict[str, str]:
    """Return one server's facts (version, durability); raise QueueDown or UnsafeServer (promise P9).

    `replica`: it may be one, since it is a replica of a cluster.
    """
    try:
        info = await client.info()
    except (RedisError, QueueDown) as error:
        raise QueueDown(f"{server} does not answer: {error}") from error
    faults = []
    if info.get("role") not in (None, "master") and not replica:
        faults.append("it is a replica; connect to the primary")
    if info.get("maxmemory_policy") not in (None, "noeviction") and int(info.get("maxmemory", 0)):
        faults.append(
            f"maxmemory-policy is {info['maxmemory_policy']} and would delete mail; set it to noeviction"
        )
    if not int(info.get("aof_enabled", 0)):
        faults.append("the append-only file is off; set appendonly yes")
    major, minor, *_ = (int(part) for part in str(info.get("redis_version", "0.0")).split(".")[:2])
    if (major, minor) < (7, 0):
        faults.append(f"version {info.get('redis_version')} is too old; Redis 7.0 or Valkey 7.2 is needed")
    try:
        sync = str((await client.config_get("appendfsync")).get("appendfsync", ""))
    except ResponseError:
        sync = "unknown"  # CONFIG may be forbidden to this user: the other facts stand
    if sync == "no" or (durability == "always" and sync == "everysec"):
        faults.append(
            f"appendfsync is {sync} but durability is {durability}; set appendfsync {durability}"
            " or change redis.durability"
        )
    if faults:
        raise UnsafeServer(f"Redis at {server} is unsafe for mail: " + "; ".join(faults))
    return {
        "version": str(info.get("valkey_version") or info.get("redis_version")),
        "name": str(info.get("server_name", "redis")),
        "appendfsync": sync,
        "run_id": str(info.get("run_id")),
    }


def read_password(path: str) -> str:
    """Return the password in a file, without its line end; an empty path gives an empty password."""
    return Path(path).read_text().strip("\r\n") if path else ""
