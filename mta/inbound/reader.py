"""Reports read in a process of their own (mta.inbound.apart), which is killed and started anew when a mail is too much.

Parsing what strangers send is where a fault of ours would cost most: here it costs one mail, which is kept.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from mta.bounce.report import Report
from mta.inbound.apart import LENGTH

APART: Final = (sys.executable, "-m", "mta.inbound.apart")
MAX_ANSWER: Final = 64 << 20
"""Octets of what is said of one mail: recipients times the longest texts a report may hold."""
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")

_decode = msgspec.msgpack.Decoder(list[Report]).decode


class Unreadable(Exception):
    """A mail went beyond the limits or broke the reader; the message says how."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one mail may take: seconds of processor time and of waiting, octets of memory in all."""

    cpu: int = 2
    wall: float = 30.0
    memory: int = 1 << 30


class Reader:
    """Reads one mail at a time; the process, `command` with the limits, is started with the first one."""

    def __init__(self, limits: Limits | None = None, command: Sequence[str] = APART) -> None:
        self.limits = limits or Limits()
        self.command = command
        self.started = 0
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, raw: bytes) -> list[Report]:
        """Return what a mail says, at least one Report; raise Unreadable, or OSError when no process can be had."""
        async with self._turn:
            process = self._process
            if process is None or process.returncode is not None:
                process = self._process = await self._start()
            try:
                async with asyncio.timeout(self.limits.wall):
                    return await _ask(process, raw)
            except TimeoutError:
                await self._end()
                raise Unreadable(f"no answer within {self.limits.wall:g} s") from None
            except (EOFError, ConnectionError, msgspec.DecodeError):
                code = await self._end()
                raise Unreadable(_said(code, self.limits)) from None
            except asyncio.CancelledError:
                await self._end()  # its answer would be taken for the next one's
                raise

    async def close(self) -> None:
        """End the process; another `read` starts a new one."""
        async with self._turn:
            await self._end()

    async def _start(self) -> Process:
        self.started += 1
        return await asyncio.create_subprocess_exec(
            *self.command, str(self.limits.cpu), str(self.limits.memory),
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        )  # fmt: skip

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        # Died by itself: how it did is told. Else it is in the midst of something that nobody waits for.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2 if process.returncode is None else 0):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        assert process.stdin is not None
        process.stdin.close()
        return await process.wait()


async def _ask(process: Process, raw: bytes) -> list[Report]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(LENGTH.pack(len(raw)))
    process.stdin.write(raw)
    await process.stdin.drain()
    size = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
    if size > MAX_ANSWER:
        raise EOFError
    return _decode(await process.stdout.readexactly(size))


def _said(code: int | None, limits: Limits) -> str:
    if code == -signal.SIGXCPU:
        return f"took more than {limits.cpu} s of processor time"
    if code is not None and code < 0:
        return f"the reader was ended by signal {-code}"
    return f"the reader failed (exit code {code})"
