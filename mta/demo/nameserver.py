"""An authoritative name server on loopback, UDP and TCP: the DNS of demo, benches and tests.

It answers from a Zone, and does what real servers do wrong when told to: SERVFAIL, silence, delay,
truncation. Run alone, `python -m mta.demo.nameserver --port 5353 --zone zone.json`, it prints one JSON line
when it is ready.
"""

import asyncio
import json
import signal
from pathlib import Path

import click
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from mta.demo.zone import Fault, Zone, ZoneError, load

MAX_CHAIN = 8  # CNAMEs followed inside the zone
MAX_TCP_QUERY = 4096
TCP_IDLE_S = 10.0
UDP_PAYLOAD = 1232


class Nameserver:
    """One server; `queries` counts what was asked, in all and by type."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.queries = 0
        self.by_type: dict[str, int] = {}
        self.port = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen on UDP and TCP at one port and return it; 0 takes one that is free in both."""
        loop = asyncio.get_running_loop()
        for attempt in range(20):
            self._tcp = await asyncio.start_server(self._serve_tcp, host, port)
            self.port = int(self._tcp.sockets[0].getsockname()[1])
            try:
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(host, self.port)
                )
                return self.port
            except OSError:
                self._tcp.close()
                if port or attempt == 19:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def stop(self) -> None:
        """Stop listening."""
        if self._udp:
            self._udp.close()
        if self._tcp:
            self._tcp.close()
        await asyncio.sleep(0)

    def fault(self, query: dns.message.Message) -> Fault | None:
        """Return the fault planned for the name that `query` asks about."""
        if not self.zone.faults or not query.question:
            return None
        return self.zone.faults.get(_text(query.question[0].name))

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Return the response to one query, from the zone alone (faults of transport are not its matter)."""
        response = dns.message.make_response(query, our_payload=UDP_PAYLOAD)
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return response
        question = query.question[0]
        name, kind = _text(question.name), dns.rdatatype.to_text(question.rdtype)
        self.queries += 1
        self.by_type[kind] = self.by_type.get(kind, 0) + 1
        fault = self.zone.faults.get(name)
        if fault and fault.kind in ("servfail", "refused"):
            response.set_rcode(dns.rcode.SERVFAIL if fault.kind == "servfail" else dns.rcode.REFUSED)
            return response
        origin = self.zone.origin(name)
        if origin is None:
            response.set_rcode(dns.rcode.REFUSED)
            return response
        response.flags |= dns.flags.AA
        if self.zone.secure and (query.flags & dns.flags.AD or query.ednsflags & dns.flags.DO):
            response.flags |= dns.flags.AD
        owner = question.name
        for _ in range(MAX_CHAIN):
            records = self.zone.find(name)
            if records is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            if kind in records:
                self._put(response.answer, owner, kind, records[kind])
                return response
            if "CNAME" not in records:
                break
            self._put(response.answer, owner, "CNAME", records["CNAME"])
            owner = dns.name.from_text(records["CNAME"][0])
            name = _text(owner)
            if self.zone.origin(name) is None:
                return response
        soa = f"ns.{origin}. hostmaster.{origin}. 1 3600 600 86400 {self.zone.ttl}"
        self._put(response.authority, dns.name.from_text(origin), "SOA", (soa,))
        return response

    def _put(
        self, section: list[dns.rrset.RRset], owner: dns.name.Name, kind: str, texts: tuple[str, ...]
    ) -> None:
        section.append(dns.rrset.from_text_list(owner, self.zone.ttl, dns.rdataclass.IN, kind, texts))

    def wire(self, query: dns.message.Message, fault: Fault | None, *, udp: bool) -> bytes:
        """Return the response on the wire; over UDP cut to what the client takes, with the TC bit."""
        response = self.answer(query)
        if not udp:
            return response.to_wire(max_size=65535)
        limit = min(query.payload, UDP_PAYLOAD) if query.edns >= 0 else 512
        if not (fault and fault.kind == "truncate"):
            try:
                return response.to_wire(max_size=max(512, limit))
            except dns.exception.TooBig:
                pass
        response.answer, response.authority = [], []
        response.flags |= dns.flags.TC
        return response.to_wire()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_S):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    if size > MAX_TCP_QUERY:
                        break
                    query = dns.message.from_wire(await reader.readexactly(size))
                if query.flags & dns.flags.QR:
                    break
                fault = self.fault(query)
                if fault:
                    await asyncio.sleep(fault.delay_ms / 1000)
                    if fault.kind == "drop":
                        break
                data = self.wire(query, fault, udp=False)
                writer.write(len(data).to_bytes(2, "big") + data)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, dns.exception.DNSException):
            pass  # the client left, idled too long or sent no DNS
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Nameserver) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return  # not DNS: no answer that could be abused
        if query.flags & dns.flags.QR:
            return  # a response: answering it could start a loop
        fault = self._server.fault(query)
        if fault and fault.kind == "drop":
            self._server.queries += 1
        elif fault and fault.delay_ms:
            asyncio.get_running_loop().call_later(fault.delay_ms / 1000, self._send, query, fault, address)
        else:
            self._send(query, fault, address)

    def _send(self, query: dns.message.Message, fault: Fault | None, address: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(self._server.wire(query, fault, udp=True), address)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


async def _run(zone: Zone, host: str, port: int) -> None:
    server = Nameserver(zone)
    bound = await server.start(host, port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(json.dumps({"ready": True, "host": host, "port": bound}), flush=True)
    await stop.wait()
    await server.stop()
    print(json.dumps({"queries": server.queries, "by_type": server.by_type}), flush=True)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5353, show_default=True, help="0 takes a free one.")
@click.option("--zone", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
def main(host: str, port: int, path: Path) -> None:
    """Answer DNS queries from a zone file; prints a ready line and, at SIGTERM, the query counts, as JSON."""
    try:
        zone = load(path)
    except ZoneError as error:
        raise click.ClickException(str(error)) from error
    asyncio.run(_run(zone, host, port))


if __name__ == "__main__":
    main()
