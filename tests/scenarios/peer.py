"""A scripted receiver on loopback: one script a story, and a record of all it heard.

A script names answers by what they answer: `greeting`, `ehlo`, `helo`, `starttls`, `mail`, `rcpt`, `data`, `dot`,
`rset`, `quit`. An answer is text (CRLF is added), bytes (sent as they are), a Move, a tuple of these one after the
other, or an async function that gets the conversation. A list of answers is used up one by one, over all connections
of this peer; its last stays. Nothing named: what a polite server says.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

EXTENSIONS = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
POLITE: dict[str, str] = {
    "greeting": "220 mx.example.net ESMTP",
    "helo": "250 mx.example.net",
    "starttls": "220 2.0.0 ready",
    "mail": "250 2.1.0 ok",
    "rcpt": "250 2.1.5 ok",
    "data": "354 go ahead",
    "dot": "250 2.0.0 queued",
    "rset": "250 2.0.0 flushed",
    "quit": "221 2.0.0 bye",
}


class Move(Enum):
    """What a server does in place of an answer."""

    CLOSE = auto()  # say nothing more and close (FIN)
    RESET = auto()  # break the connection (RST)
    SILENT = auto()  # say nothing, go on listening
    DEAF = auto()  # stop reading, and say nothing, until the story is over
    HALF = auto()  # close our side (FIN) and go on reading


class _Over(Exception):
    """The conversation ends here."""


@dataclass
class Conversation:
    """One connection as the peer heard it."""

    peer: "Peer"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)  # contents whose end came, dots still doubled
    end: str = ""  # "quit", "eof", "reset", "closed by us"
    tls: bool = False
    half: bool = False  # our side is closed
    pipelined: bool = False  # a command came with another behind it

    async def say(self, raw: bytes) -> None:
        """Send bytes as they are; once our side is closed there is nothing to say."""
        if self.half:
            return
        self.writer.write(raw)
        await self.writer.drain()


Answer = str | bytes | Move | tuple[Any, ...] | Callable[[Conversation], Awaitable[None]]


class Peer:
    """A listening receiver; `name` and `address` are what the DNS of the story says of it."""

    def __init__(
        self,
        name: str,
        address: str,
        port: int,
        extensions: tuple[str, ...] = EXTENSIONS,
        tls: ssl.SSLContext | None = None,
        **script: Answer | list[Answer],
    ) -> None:
        unknown = set(script) - {*POLITE, "ehlo"}
        assert not unknown, f"no such answer: {unknown}"
        self.name = name
        self.address = address
        self.port = port
        self.extensions = extensions
        self.tls = tls
        self.script = script
        self.conversations: list[Conversation] = []
        self.released = asyncio.Event()  # lets those go that are deaf
        self._server: asyncio.Server | None = None

    def __repr__(self) -> str:
        return f"<Peer {self.name} {[one.commands for one in self.conversations]}>"

    @property
    def commands(self) -> list[str]:
        """Every command of every connection, in order of connections."""
        return [command for one in self.conversations for command in one.commands]

    @property
    def messages(self) -> list[bytes]:
        """Every content whose end came."""
        return [message for one in self.conversations for message in one.messages]

    def verbs(self, number: int = -1) -> str:
        """The first words of one connection's commands, joined by spaces."""
        return " ".join(command.split()[0].upper() for command in self.conversations[number].commands)

    async def listen(self) -> None:
        """Begin to take connections."""
        # A small window, so that a peer that stops reading is noticed by a sender of a small message.
        wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.bind((self.address, self.port))
        self._server = await asyncio.start_server(self._serve, sock=wire, limit=1 << 20)

    async def close(self) -> None:
        """Stop listening and break what is open."""
        self.released.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for one in self.conversations:
            one.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = Conversation(self, reader, writer)
        self.conversations.append(one)
        try:
            await self._answer(one, "greeting")
            while True:
                line = await reader.readline()
                if not line.endswith(b"\n"):
                    raise EOFError
                one.commands.append(line.decode("utf-8", "replace").rstrip("\r\n"))
                one.pipelined = one.pipelined or bool(reader._buffer)  # type: ignore[attr-defined]
                await self._command(one)
        except _Over:
            one.end = one.end or "closed by us"
        except (EOFError, asyncio.IncompleteReadError):
            one.end = "eof"
        except (ConnectionError, ssl.SSLError):
            one.end = "reset"
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _command(self, one: Conversation) -> None:
        verb = one.commands[-1].partition(" ")[0].lower()
        if verb == "data":
            await self._answer(one, "data")
            if one.end != "no content":
                await self._content(one)
        elif verb == "bdat":
            one.messages.append(await one.reader.readexactly(int(one.commands[-1].split()[1])))
            await self._answer(one, "dot")
        elif verb == "quit":
            one.end = "quit"
            await self._answer(one, "quit")
            raise _Over
        elif verb == "starttls":
            await self._answer(one, "starttls")
            assert self.tls is not None
            await one.writer.start_tls(self.tls)
            one.tls = True
        elif verb == "ehlo" and "ehlo" not in self.script:
            lines = ["mx.example.net", *self.extensions]
            if self.tls is not None and not one.tls:
                lines.append("STARTTLS")
            marks = ["-"] * (len(lines) - 1) + [" "]
            await one.say("".join(f"250{m}{line}\r\n" for m, line in zip(marks, lines, strict=True)).encode())
        elif verb in POLITE or verb == "ehlo":
            await self._answer(one, verb)
        else:
            await one.say(b"502 5.5.1 unknown\r\n")

    async def _content(self, one: Conversation) -> None:
        lines: list[bytes] = []
        while (line := await one.reader.readline()) != b".\r\n":
            if not line:
                raise EOFError
            lines.append(line)
        one.messages.append(b"".join(lines))
        await self._answer(one, "dot")

    async def _answer(self, one: Conversation, what: str) -> None:
        answer = self.script.get(what, POLITE.get(what, ""))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        said = answer if isinstance(answer, tuple) else (answer,)
        for part in said:
            await self._do(one, part)
        # Only "3yz" makes a client send content; anything else leaves it at its commands.
        if what == "data":
            last = said[-1] if isinstance(said[-1], str) else "354"
            one.end = "" if last.startswith("3") else "no content"

    async def _do(self, one: Conversation, part: Answer) -> None:
        if isinstance(part, str):
            await one.say(part.encode() + b"\r\n")
        elif isinstance(part, bytes):
            await one.say(part)
        elif part is Move.CLOSE:
            raise _Over
        elif part is Move.RESET:
            one.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            one.writer.transport.abort()
            raise _Over
        elif part is Move.DEAF:
            one.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await self.released.wait()
            raise _Over
        elif part is Move.HALF:
            one.half = True
            one.writer.write_eof()
        elif part is not Move.SILENT:
            await part(one)  # type: ignore[operator]


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Return what `condition` returns once that is true; fail when it never is."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while not (value := condition()):
        assert loop.time() < ends, f"never: {condition}"
        await asyncio.sleep(0.005)
    return value
