"""A connection for the length of one command, whose failures carry words an operator understands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from mta.queue.link import Client, QueueDown, Server, connect


class QueueDenied(QueueDown):
    """Redis answers, but does not let this user in or do this."""


@asynccontextmanager
async def reach(server: Server) -> AsyncIterator[tuple[Client, Client]]:
    """Give a client for calls and one for blocking reads; raise QueueDown, QueueDenied or ValueError (a bad URL).

    Whatever a call in the body raises of Redis's own comes out as one of these, too.
    """
    client, blocking = connect(server), connect(server, blocking=True)
    try:
        try:
            await client.ping()
        except OSError as error:
            raise QueueDown(f"Redis at {server} can't be reached: {error}") from error
        yield client, blocking
    except (AuthenticationError, NoPermissionError) as error:
        raise QueueDenied(f"Redis at {server} refuses: {error}") from error
    except RedisError as error:
        raise QueueDown(f"Redis at {server} does not answer: {error}") from error
    finally:
        await blocking.aclose()
        await client.aclose()
