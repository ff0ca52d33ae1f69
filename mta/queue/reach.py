"""A connection for the length of one command, whose failures carry words an operator understands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from mta.queue.link import Client, QueueDown, Server, connect

DENIALS = (AuthenticationError, NoPermissionError)


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
    except RedisError as error:
        # The client wraps what failed while it connected, so the refusal may be the cause.
        if any(isinstance(one, DENIALS) for one in (error, error.__cause__, error.__context__)):
            raise QueueDenied(f"Redis at {server} refuses: {error}") from error
        raise QueueDown(f"Redis at {server} does not answer: {error}") from error
    finally:
        await blocking.aclose()
        await client.aclose()
