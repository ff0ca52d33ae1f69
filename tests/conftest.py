"""Fixtures every room's tests share: a private server on a unix socket, emptied for each test."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mta.queue import embedded
from mta.queue.keys import Keys
from mta.queue.link import Client, Server, connect

# A developer's run looks for new counter-examples; CI says the same of the same sources every time.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A private server's URL; one server per test process, durable as the engine's own is.

    MTA_TEST_CLUSTER=1: a cluster's, with three primaries.
    """
    if os.environ.get("MTA_TEST_CLUSTER"):
        from bench.nodes import Nodes

        with Nodes(replicas=0) as nodes:
            yield nodes.url
        return
    with tempfile.TemporaryDirectory(prefix="mta-") as folder:
        server = embedded.start(Path(folder))
        try:
            yield server.url
        finally:
            server.stop()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A connection to the private server, emptied before and after the test."""
    client = connect(Server(redis_url))
    await client.flushall()
    yield client
    await client.flushall()
    await client.aclose()


@pytest.fixture
def keys() -> Keys:
    """The default key names."""
    return Keys()
