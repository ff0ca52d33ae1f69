"""Each check within a time of its own: one that hangs or breaks is a finding, and the others go on."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from mta.cli.checkup.finding import UNKNOWN, Finding

CHECK_SECONDS: Final = 30.0
"""For one check: more than any of its questions may take, less than a person waits."""
MOST_SAID: Final = 200  # characters of an error

T = TypeVar("T")


async def within(
    area: str, about: str, check: Coroutine[Any, Any, list[Finding]], seconds: float = CHECK_SECONDS
) -> list[Finding]:
    """Return a check's findings; a check that takes longer or fails is one finding of its own, `unknown`."""
    try:
        async with asyncio.timeout(seconds):
            return await check
    except TimeoutError:
        says = f"not known after {seconds:g} s"
        return [Finding(area, UNKNOWN, about, says, "see what does not answer, then look again")]
    except Exception as error:
        says = f"the check failed: {type(error).__name__}: {error}"[:MOST_SAID]
        return [Finding(area, UNKNOWN, about, says, "mend that, then look again")]


async def in_thread(call: Callable[[], T]) -> T:
    """Return what a call that may block returns, without waiting for it when the caller is cancelled.

    A disk or a name service that hangs holds a thread for as long as it likes: the process ends without it, which
    it would not do with a thread of asyncio's pool.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = call()
        except BaseException as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:
            pass  # the loop has ended: nobody waits any more

    threading.Thread(target=run, daemon=True).start()
    return await done
