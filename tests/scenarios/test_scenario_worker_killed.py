"""A worker killed at each step: its next life sends what it held, and nothing whose 2xx was seen."""

import pytest

from mta.queue.lanes import Queue
from tests.scenarios.conftest import World
from tests.scenarios.peer import Move, until


@pytest.mark.parametrize("where, copies", [("mail", 1), ("rcpt", 1), ("data", 1), ("dot", 2)])
async def test_it_is_sent_by_the_next_life(world: World, where: str, copies: int) -> None:
    usual = {"mail": "250 ok", "rcpt": "250 ok", "data": "354 go", "dot": "250 queued"}[where]
    peer = await world.peer(**{where: [Move.DEAF, usual]})
    await world.put("jo@example.net")
    await world.start()
    await until(lambda: peer.messages if where == "dot" else where.upper() in " ".join(peer.commands))
    await world.kill()
    await world.start()
    await world.outcome(event="delivered", attempts="1")
    assert len(peer.messages) == copies


async def test_a_2xx_that_was_seen_is_not_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = await world.peer()

    async def stuck(*_, **__):
        await until(lambda: False, seconds=30.0)

    await world.put("jo@example.net")
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "settle", stuck)
        worker = await world.start()
        await until(lambda: peer.messages and worker.settler.waiting == [] and worker.delivery.flying)
        await until(lambda: worker.doors.journal.open)
        await until(lambda: not any(session.running for session in worker.delivery.dispatch.sessions))
        await world.kill()
    await world.start()
    await world.outcome(event="delivered")
    assert len(peer.messages) == 1
