"""Ctrl-C ends a command, whatever it is at."""

import asyncio
import signal

import pytest

from mta.cli.door import until_ended

SECONDS = 20.0  # for which a command goes on that does not hear


async def redis_looks() -> None:
    """What a call to Redis begins with: has the server said something meanwhile?"""
    try:
        async with asyncio.timeout(0):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        return


async def test_a_cancellation_within_the_signal_would_be_lost() -> None:
    """Why `until_ended` is needed; should this fail, it no longer is."""

    async def command() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await redis_looks()
        return "it goes on"

    assert await asyncio.create_task(command()) == "it goes on"


@pytest.mark.parametrize("waits", [redis_looks, lambda: asyncio.sleep(0)], ids=["redis", "any"])
def test_a_command_that_is_running_hears_of_it_when_it_waits(waits) -> None:
    went_on = False

    async def command() -> None:
        nonlocal went_on
        signal.raise_signal(signal.SIGINT)
        await waits()
        await asyncio.sleep(SECONDS)
        went_on = True

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        until_ended(command())
    assert not went_on
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_one_ends_what_never_waits() -> None:
    async def command() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        until_ended(command())


def test_a_command_that_ends_by_itself_leaves_no_trace() -> None:
    before = signal.getsignal(signal.SIGINT)
    done = []

    async def command() -> None:
        done.append(1)

    until_ended(command())
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is before
