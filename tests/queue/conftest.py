"""What the tests of this room share."""

import pytest

from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client


@pytest.fixture
def queue(client: Client, keys: Keys) -> Queue:
    """The lanes of the only shard."""
    return Queue(client, keys)
