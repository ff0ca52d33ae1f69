"""A small SMTP server for a test: STARTTLS or TLS from the first byte, AUTH, and what goes wrong on demand."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Mailhost:
    """What the server does, and what it saw: commands in clear, commands under TLS, names said in SNI."""

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    offers: bool = True  # STARTTLS in EHLO
    starttls: bytes = b"220 go ahead\r\n"
    breaks: bool = False  # closes where the handshake should be
    password: str = ""
    port: int = 0
    clear: list[str] = field(default_factory=list)
    secret: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    connections: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            await self._talk(reader, writer)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secret = self.implicit
        writer.write(b"220 mailhost.test\r\n")
        while line := await reader.readline():
            command = line.decode().strip()
            (self.secret if secret else self.clear).append(command)
            verb = command.upper().partition(" ")[0]
            if verb == "EHLO":
                offered = ["mailhost.test", "PIPELINING"]
                if self.tls is not None and self.offers and not secret:
                    offered.append("STARTTLS")
                if self.password:
                    offered.append("AUTH PLAIN")
                lines = [f"250-{each}\r\n" for each in offered[:-1]] + [f"250 {offered[-1]}\r\n"]
                writer.write("".join(lines).encode())
            elif verb == "STARTTLS":
                writer.write(self.starttls)
                if not self.starttls.startswith(b"220"):
                    continue
                await writer.drain()
                if self.breaks:
                    return
                assert self.tls is not None
                await writer.start_tls(self.tls)
                secret = True
            elif verb == "AUTH":
                good = base64.b64encode(f"\0me\0{self.password}".encode()).decode()
                writer.write(b"235 ok\r\n" if command.endswith(good) else b"535 5.7.8 no\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")

    def _name(self, _: object, name: str | None, __: object) -> None:
        self.names.append(name or "")


@asynccontextmanager
async def running(host: Mailhost) -> AsyncIterator[Mailhost]:
    """Serve on loopback at a port of its own."""
    if host.tls is not None:
        host.tls.sni_callback = host._name
    context = host.tls if host.implicit else None
    server = await asyncio.start_server(host.serve, "127.0.0.1", host.port, ssl=context)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for task in list(host._open):
            task.cancel()
        await asyncio.gather(*host._open, return_exceptions=True)
