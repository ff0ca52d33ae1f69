"""Mail that a receiver took and returns later: real delivery status notifications, sent by SMTP.

The notification is what RFC 3464 and RFC 6522 describe: multipart/report with a note for people, the fields
for machines, and the headers of the original. It goes out under the null sender, as RFC 5321 4.5.5 demands.
"""

import asyncio
import time
from email.utils import formatdate

from mta.demo.counts import Counts

MAX_WAITING = 100_000  # returns not yet sent; more are counted as failed
MAX_AT_ONCE = 20  # connections to the inbound server
TIMEOUT_S = 10.0
_MAX_HEADERS = 64 * 1024

_TEXTS = {
    "5.1.1": "550 5.1.1 no such user here",
    "5.2.1": "550 5.2.1 mailbox is disabled",
    "5.2.2": "552 5.2.2 mailbox is full",
    "5.7.1": "550 5.7.1 message refused by policy",
}


def notification(
    sender: str, recipient: str, original: bytes, *, status: str, reporter: str, number: int, now: float
) -> bytes:
    """Return the notification about `recipient` for the envelope `sender`: ASCII, CRLF lines.

    `now` is in seconds since 1970; `number` makes boundary and Message-ID unique.
    """
    head = original[: original.find(b"\r\n\r\n") + 2] if b"\r\n\r\n" in original else b""
    diagnostic = _TEXTS.get(status, f"550 {status} undeliverable")
    shown = recipient.encode("ascii", "backslashreplace").decode()
    if recipient.isascii():
        final = f"rfc822; {recipient}"
    else:  # RFC 6533 section 3: the form of a non-ASCII address that fits a 7-bit report
        final = "utf-8; " + "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in recipient)
    boundary = f"=_report_{number}"
    date = formatdate(now)
    lines = [
        f"From: Mail Delivery System <MAILER-DAEMON@{reporter}>",
        f"To: <{sender}>",
        f"Date: {date}",
        f"Message-ID: <dsn.{int(now)}.{number}@{reporter}>",
        "Subject: Undelivered Mail Returned to Sender",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is the mail system at {reporter}.",
        "Your message could not be delivered to the following recipient:",
        "",
        f"<{shown}>: {diagnostic}",
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {reporter}",
        f"Arrival-Date: {date}",
        "",
        f"Final-Recipient: {final}",
        "Action: failed",
        f"Status: {status}",
        f"Diagnostic-Code: smtp; {diagnostic}",
        f"Last-Attempt-Date: {date}",
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
    ]
    text = "\r\n".join(lines).encode("ascii") + b"\r\n"
    return text + head[:_MAX_HEADERS] + f"\r\n--{boundary}--\r\n".encode()


async def send(host: str, port: int, name: str, recipient: str, data: bytes) -> None:
    """Send one message under the null sender; raise OSError when the server refuses or goes away."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        await _expect(reader, b"2")
        stuffed = (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:]
        utf8 = b"" if recipient.isascii() else b" SMTPUTF8"
        for line, wanted in (
            (b"EHLO " + name.encode(), b"2"),
            (b"MAIL FROM:<>" + utf8, b"2"),
            (b"RCPT TO:<" + recipient.encode() + b">", b"2"),
            (b"DATA", b"3"),
            (stuffed + b".", b"2"),
            (b"QUIT", b"2"),
        ):
            writer.write(line + b"\r\n")
            await writer.drain()
            await _expect(reader, wanted)
    except (ValueError, asyncio.IncompleteReadError) as error:
        raise OSError(f"inbound server at {host}:{port}: {error}") from error
    finally:
        writer.close()


async def _expect(reader: asyncio.StreamReader, first: bytes) -> None:
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] != b"-":
            break
    if line[:1] != first:
        raise OSError(f"inbound server said {line!r}")


class Bouncer:
    """Sends notifications to the inbound server at `host:port`, each after its delay."""

    def __init__(self, host: str, port: int, counts: Counts) -> None:
        self._where = (host, port)
        self._counts = counts
        self._gate = asyncio.Semaphore(MAX_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0

    def later(
        self, after_s: float, sender: str, recipient: str, original: bytes, status: str, name: str
    ) -> None:
        """Return `original` to `sender` after `after_s` seconds; nothing goes to a null sender."""
        if not sender:
            return
        if len(self._tasks) >= MAX_WAITING:
            self._counts.bounces_failed += 1
            return
        self._number += 1
        head = original[: original.find(b"\r\n\r\n") + 4]  # the body need not wait in memory
        coroutine = self._one(after_s, sender, recipient, head, status, name, self._number)
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(
        self, after_s: float, sender: str, recipient: str, head: bytes, status: str, name: str, number: int
    ) -> None:
        await asyncio.sleep(after_s)
        data = notification(
            sender, recipient, head, status=status, reporter=name, number=number, now=time.time()
        )
        try:
            async with self._gate, asyncio.timeout(TIMEOUT_S):
                await send(*self._where, name, sender, data)
        except OSError:  # TimeoutError is one of them
            self._counts.bounces_failed += 1
        else:
            self._counts.bounces_sent += 1

    async def stop(self) -> None:
        """Forget what has not been sent."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
