"""One DNS answer over TCP, read so that a malformed record costs itself alone.

dnspython's own transports throw a whole answer away for one record that can't be read. For TLSA that would turn a
stranger's slip into no answer at all, where RFC 7672 2.1 calls the record unusable and the rest valid.
"""

import asyncio
from collections.abc import Sequence

import dns.message
import dns.rcode


async def ask_leniently(
    query: dns.message.Message, servers: Sequence[tuple[str, int]], timeout: float
) -> dns.message.QueryMessage:
    """Return the first server's answer that says NOERROR; what of it couldn't be read is in its `errors`.

    `timeout` seconds for each server. Raises OSError, TimeoutError, EOFError or DNSException when none answers.
    """
    trouble: Exception = OSError("no name server")
    for address, port in servers:
        try:
            async with asyncio.timeout(timeout):
                wire = await _exchange(query.to_wire(), address, port)
            response = dns.message.from_wire(wire, continue_on_error=True)
            if response.id != query.id or response.question != query.question:
                raise OSError("an answer to another question")
            if response.rcode() == dns.rcode.NOERROR and isinstance(response, dns.message.QueryMessage):
                return response
            trouble = OSError(dns.rcode.to_text(response.rcode()))
        except (OSError, TimeoutError, EOFError) as error:
            trouble = error
    raise trouble


async def _exchange(wire: bytes, address: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(address, port, limit=65537)
    try:
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")  # so 65,535 octets are the most
        return await reader.readexactly(size)
    finally:
        writer.close()
