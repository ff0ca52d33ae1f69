"""Messages that have broken mail systems, and their journey: from a worker's hands to a real server's disk."""

from collections.abc import Sequence
from typing import Any

from mta.net.resolver import Answer
from mta.workers.session import Work
from mta.workers.worker import Worker
from tests.interop.mailbox import Mailbox
from tests.scenarios.conftest import World

HEAD = b"From: News <news@acme.example>\r\nTo: jo@example.net\r\nSubject: s\r\n"
MIME = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
OCTETS = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")

BODIES: dict[str, bytes] = {
    "dots": b".\r\n..\r\n.x\r\n...\r\nx.\r\n.\r\n\r\n.\r\n",
    "ends in a dot": b"a\r\n.",
    "bare line ends": b"a\r\n.\n\r\nb\r\n\r.\r\nMAIL FROM:<x@y>\r\n",
    "lines of 998": (b"x" * 998 + b"\r\n") * 20 + b"." + b"y" * 997 + b"\r\n",
    "a dot at each end of a block": (b"." * 900 + b"\r\n") * 100,
    "empty": b"",
    "no end of line": b"the last line has no end",
    "From lines": b"From x\r\n>From y\r\n\r\nFrom z\r\n",
    "white space": b" \r\n\t\r\na \r\n \t \r\nb\t\r\n",
    "many lines": b"\r\n" * 500 + b"x\r\n",
    "a megabyte": b"0123456789abcdef.. \r\n" * 50_000,
}
EIGHT_BIT: dict[str, bytes] = {
    "8-bit text": "Grüße, 日本語 🙂\r\n".encode() * 50,
    "each octet but NUL, CR and LF": (OCTETS + b"\r\n") * 20,
}


def raw(name: str, body: bytes, head: bytes = HEAD) -> bytes:
    """Return a message that can be known again by its name."""
    return head + f"X-Case: {name}\r\n".encode() + b"\r\n" + body


def cases(*, eight_bit: bool = True, utf8: bool = False) -> dict[str, tuple[str, bytes]]:
    """Return name to recipient and message; those that need more than the server offers are left out."""
    made = {name: ("jo@example.net", raw(name, body)) for name, body in BODIES.items()}
    if eight_bit:
        made |= {name: ("jo@example.net", raw(name, body, HEAD + MIME)) for name, body in EIGHT_BIT.items()}
    if utf8:
        head = HEAD + "X-Greeting: Grüße\r\n".encode() + MIME
        made["a header in UTF-8"] = ("jo@example.net", raw("a header in UTF-8", b"x\r\n", head))
        made["an address in UTF-8"] = ("jö@example.net", raw("an address in UTF-8", b"x\r\n"))
    return made


async def start(world: World, box: Mailbox, **more: Any) -> Worker:
    """Start a worker whose mail to example.net goes to this server."""
    world.port = box.port
    world.names["example.net", "MX"] = Answer(((10, "mx1.example.net"),), 300.0)
    world.names["mx1.example.net", "A"] = Answer(((0, box.host),), 300.0)
    return await world.start(**more)


async def survives(
    world: World, box: Mailbox, given: dict[str, tuple[str, bytes]], **more: Any
) -> list[dict[str, str]]:
    """Send these, and hold what the server keeps to what the worker sent, octet for octet; return the events."""
    worker = await start(world, box, **more)
    sent: dict[bytes, bytes] = {}
    make = worker.delivery.content

    def content(work: Work, behind: Sequence[Work] = ()) -> Any:
        made = make(work, behind)
        assert made is not None, work
        whole = b"".join(made.parts)
        sent[name_of(whole)] = whole
        return made

    worker.delivery.content = content  # type: ignore[method-assign]
    for rcpt, message in given.values():
        await world.put(rcpt, raw=message)
    events = await world.events(len(given), "delivered", seconds=40.0)
    kept = {name_of(message): message for message in await box.holds(len(given))}
    assert set(kept) == set(sent) == {name.encode() for name in given}
    for name, message in sent.items():
        assert kept[name].endswith(message), (
            f"{name.decode()}: {kept[name][-300:]!r} is not {message[-300:]!r}"
        )
        body = given[name.decode()][1].partition(b"\r\n\r\n")[2].rstrip(b"\r\n")
        if b"\n\r\n" not in body:  # bare line ends were made whole ones when the message came in
            assert message.rstrip(b"\r\n").endswith(body), name
    await world.stop()
    return events


def name_of(message: bytes) -> bytes:
    """Return the case a message is of."""
    return message.partition(b"X-Case: ")[2].partition(b"\r\n")[0]
