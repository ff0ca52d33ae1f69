"""Accepted is durable: seen from the kernel's side, the reply to XADD never leaves before its fdatasync returned."""

import contextlib
import os
import re
import shutil
import signal
import stat
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from bench.load import connect
from mta.queue import embedded
from mta.queue.embedded import Embedded

ENTRIES = 25
CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\((\d+)| resumed)")


def traced(folder: Path, log: Path) -> Embedded:
    """Start the engine's own server under strace."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is missing: apt-get install strace")
    wrapper = folder / "server"
    calls = "read,recvfrom,write,writev,sendto,fsync,fdatasync"
    wrapper.write_text(
        f'#!/bin/sh\nexec {strace} -f -s 400 -e trace={calls} -o {log} {embedded.find_binary()} "$@"\n'
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IEXEC)
    try:
        return embedded.start(folder / "data", binary=str(wrapper))
    except embedded.NoServer as error:
        pytest.skip(f"strace can't trace here: {error}")


async def submit(server: Embedded, count: int) -> list[str]:
    redis = connect(server.url)
    found: list[str] = []
    for number in range(count):
        found.append(
            await redis.xadd("mta:submit:bulk", {"key": f"unique-{number}-payload", "data": "x" * 50})
        )
    await redis.aclose()
    return found


async def end(server: Embedded) -> None:
    # strace passes no signal on: the server is asked itself.
    redis = connect(server.url)
    with contextlib.suppress(ConnectionError, RedisError):
        await redis.shutdown(nosave=True)
    await redis.aclose()
    server.stop()


def lines(log: Path) -> list[tuple[str, str, str]]:
    """Return (call, fd, whole line) of finished calls, in the order in which they returned."""
    unfinished: dict[str, str] = {}
    out = []
    for line in log.read_text(errors="replace").splitlines():
        found = CALL.match(line)
        if found is None:
            continue
        thread, call, fd = found.groups()
        if "<unfinished" in line:
            unfinished[thread] = line
            continue
        if fd is None:
            line = unfinished.pop(thread, "") + line
            again = CALL.match(line)
            fd = again.group(3) if again else ""
        out.append((call, fd or "", line))
    return out


@pytest.mark.system
async def test_the_reply_to_xadd_never_leaves_before_its_fdatasync(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    server = traced(tmp_path, log)
    try:
        accepted = await submit(server, ENTRIES)
    finally:
        await end(server)
    calls = lines(log)
    synced = 0
    for number, entry in enumerate(accepted):
        payload = f"unique-{number}-payload"
        arrived = next(
            at for at, (call, _, text) in enumerate(calls) if call in ("read", "recvfrom") and payload in text
        )
        written = next(
            at
            for at, (call, _, text) in enumerate(calls)
            if call == "write" and payload in text and at > arrived
        )
        appended = calls[written][1]
        reply = next(
            at for at, (call, fd, text) in enumerate(calls)
            if at > arrived and call in ("write", "writev", "sendto") and entry in text and fd != appended
        )  # fmt: skip
        between = [
            text
            for call, fd, text in calls[written:reply]
            if call in ("fdatasync", "fsync") and fd == appended
        ]
        assert any(text.rstrip().endswith("= 0") for text in between), (
            f"{payload} was answered before it was on disk"
        )
        synced += 1
    assert synced == ENTRIES


@pytest.mark.system
async def test_a_file_cut_at_the_last_fdatasync_holds_every_acknowledged_entry(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    server = traced(tmp_path, log)
    redis = connect(server.url)
    pid = int((await redis.info("server"))["process_id"])
    await redis.aclose()
    try:
        accepted = await submit(server, ENTRIES)
        kept = tmp_path / "power-cut"
        shutil.copytree(tmp_path / "data" / "appendonlydir", kept / "appendonlydir")
    finally:
        os.kill(pid, signal.SIGKILL)  # the server itself: strace alone would leave it running
        server.stop()
    calls = lines(log)
    appended = next(fd for call, fd, text in calls if call == "write" and "unique-0-payload" in text)
    total = on_disk = 0
    for call, fd, text in calls:
        if fd != appended:
            continue
        if call == "write":
            total += int(text.rpartition("= ")[2])
        elif call in ("fdatasync", "fsync"):
            on_disk = total
        if accepted[-1] in text:
            break
    (incremental,) = kept.glob("appendonlydir/*.incr.aof")
    with incremental.open("r+b") as file:
        file.truncate(min(on_disk, incremental.stat().st_size))
    again = embedded.start(kept)
    try:
        redis = connect(again.url)
        found = {entry for entry, _ in await redis.xrange("mta:submit:bulk")}
        await redis.aclose()
    finally:
        again.stop()
    assert set(accepted) <= found
