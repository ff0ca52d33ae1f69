"""One DNS server over UDP and TCP, its answers read so that a malformed record costs itself alone.

dnspython's own transports throw a whole answer away for one record that can't be read, and then wait for a better one
until all time is over: a stranger's slip would cost ten seconds and look like silence. dns.resolver does the rest:
servers in turn, response codes, TCP where an answer was cut.
"""

import asyncio
from typing import Any

import dns.exception
import dns.message
import dns.nameserver


class Server(dns.nameserver.Do53Nameserver):
    """A server at an address and port, for dns.asyncresolver.Resolver.nameservers."""

    async def async_query(
        self,
        request: dns.message.QueryMessage,
        timeout: float,
        source: str | None,
        source_port: int,
        max_size: bool,
        backend: Any,
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        """Return the server's answer, over TCP when `max_size`; raise dns.exception.Timeout, Truncated or OSError.

        What couldn't be read of it is in the message's `errors`.
        """
        try:
            async with asyncio.timeout(timeout):
                ask = self._over_tcp if max_size else self._over_udp
                return await ask(request)
        except TimeoutError as error:
            raise dns.exception.Timeout(timeout=timeout) from error  # type: ignore[no-untyped-call]

    async def _over_udp(self, request: dns.message.QueryMessage) -> dns.message.Message:
        loop = asyncio.get_running_loop()
        # A socket for every question: its random port is half of what a forger must guess (RFC 5452).
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Datagrams(request), remote_addr=(self.address, self.port)
        )
        try:
            transport.sendto(request.to_wire())
            return await protocol.answer
        finally:
            transport.close()

    async def _over_tcp(self, request: dns.message.QueryMessage) -> dns.message.Message:
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            wire = request.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            size = int.from_bytes(await reader.readexactly(2), "big")  # so 65,535 octets are the most
            answer = dns.message.from_wire(await reader.readexactly(size), continue_on_error=True)
        finally:
            writer.close()
        if not request.is_response(answer):
            raise OSError("an answer to another question")
        return answer


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the answer; what is no answer to this question may be anybody's and is passed over."""

    def __init__(self, request: dns.message.QueryMessage) -> None:
        self._request = request
        self.answer: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _: tuple[str | Any, int]) -> None:
        if self.answer.done():
            return
        try:
            answer = dns.message.from_wire(data, continue_on_error=True, raise_on_truncation=True)
        except dns.message.Truncated as error:
            if self._request.is_response(error.message()):  # type: ignore[no-untyped-call]
                self.answer.set_exception(error)
            return
        except dns.exception.DNSException:
            return
        if self._request.is_response(answer):
            self.answer.set_result(answer)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():  # ICMP: nobody listens there
            self.answer.set_exception(error)
