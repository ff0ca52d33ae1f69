"""The Lua scripts: read once, run by digest, so that two versions of the engine can share a server."""

import hashlib
from functools import cache
from importlib import resources
from typing import Any

import msgpack
from redis.exceptions import NoScriptError, ResponseError

from mta.queue.link import Client

_PARTS = "-- parts: "


def _pack(arguments: Any) -> bytes:
    # The server's cmsgpack knows strings but not the later "bin" type, so bytes travel as strings.
    return msgpack.packb(arguments, use_bin_type=False)  # type: ignore[no-any-return]


class LostLease(RuntimeError):
    """The worker's lease has passed to another: it must drop what it holds and register again."""


@cache
def source(name: str) -> str:
    """Return the text of a script: its own shebang and contract, the parts it names, its body."""
    folder = resources.files("mta.queue") / "lua"
    own = (folder / f"{name}.lua").read_text()
    first, _, rest = own.partition("\n")
    parts = ["prelude"]
    if rest.startswith(_PARTS):
        named, _, rest = rest.partition("\n")
        parts += named.removeprefix(_PARTS).split()
    return "\n".join([first, *((folder / "parts" / f"{part}.lua").read_text() for part in parts), rest])


@cache
def digest(name: str) -> str:
    """Return the SHA-1 by which the server knows the script."""
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()


def names() -> list[str]:
    """Return the names of all scripts."""
    folder = resources.files("mta.queue") / "lua"
    return [item.name.removesuffix(".lua") for item in folder.iterdir() if item.name.endswith(".lua")]


async def run(client: Client, name: str, base: str, arguments: Any) -> Any:
    """Run a script on the shard whose key prefix is `base`; raise LostLease, QueueFull or QueueDown.

    A reply that never came raises QueueDown too: the call may have been carried out, so every script is
    written to be repeated or checked afterwards (Queue.reconcile).
    """
    blob = _pack(arguments)
    try:
        try:
            return await client.evalsha(digest(name), 1, base, blob)
        except NoScriptError:
            return await client.eval(source(name), 1, base, blob)
    except ResponseError as error:
        if str(error).startswith("LOST"):
            raise LostLease(str(error)) from error
        raise
