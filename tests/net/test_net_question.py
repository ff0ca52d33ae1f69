"""The DNS itself: servers in turn, truncation, malformed records, sizes, and whose AD bit is believed."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.nameserver
import dns.rdatatype
import pytest
import uvloop

from mta.demo.nameserver import Nameserver
from mta.demo.zone import Fault, Zone
from mta.net.question import MOST_RECORDS, Answer, Ask, Unroutable, asker, nameservers, on_loopback

Wire = Callable[[dns.message.Message], bytes]


@asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[Nameserver]:
    server = Nameserver(zone)
    await server.start("127.0.0.1")
    try:
        yield server
    finally:
        await server.stop()


def ask_at(*servers: Nameserver | int, timeout: float = 2.0, trusted: bool | None = None) -> Ask:
    ports = [each if isinstance(each, int) else each.port for each in servers]
    return asker(nameservers([f"127.0.0.1:{port}" for port in ports], timeout=timeout), trusted)


def raw(query: dns.message.Message, records: list[bytes], flags: int = dns.flags.AD) -> bytes:
    """Return an answer that holds the given RDATA as they are, of the question's type."""
    question = query.question[0]
    name = question.name.to_wire()
    head = struct.pack("!HHHHHH", query.id, 0x8180 | flags, 1, len(records), 0, 0)
    body = name + struct.pack("!HH", question.rdtype, 1)
    for data in records:
        body += b"\xc0\x0c" + struct.pack("!HHIH", question.rdtype, 1, 60, len(data)) + data
    return head + body


@asynccontextmanager
async def answering(wire: Wire) -> AsyncIterator[int]:
    """A server that says over UDP and TCP whatever `wire` makes of the question; give its port."""

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            self.transport.sendto(wire(dns.message.from_wire(data)), address)  # type: ignore[attr-defined]

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        data = wire(dns.message.from_wire(await reader.readexactly(size)))
        writer.write(len(data).to_bytes(2, "big") + data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(over_tcp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", port)
    )
    try:
        yield port
    finally:
        udp.close()
        server.close()


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_an_answer_cut_over_udp_is_asked_again_over_tcp() -> None:
    zone = Zone(faults={"cut.test": Fault("truncate")})
    zone.add("cut.test", {"MX": ("10 mx.cut.test.",)})
    async with serving(zone) as server:
        assert (await ask_at(server)("cut.test", "MX")).values == ((10, "mx.cut.test"),)
        assert server.by_type == {"MX": 2}


async def test_the_next_server_is_asked_when_one_is_silent_or_fails() -> None:
    good = Zone()
    good.add("a.test", {"A": ("192.0.2.1",)})
    async with (
        serving(Zone(faults={"a.test": Fault("drop")})) as silent,
        serving(Zone(faults={"a.test": Fault("servfail")})) as broken,
        serving(good) as server,
    ):
        answer = await ask_at(silent, broken, closed_port(), server, timeout=0.1)("a.test", "A")
        assert answer.values == ((0, "192.0.2.1"),)
        assert silent.queries
        assert broken.queries


@pytest.mark.parametrize("kind", ["servfail", "refused", "drop"])
async def test_without_any_answer_it_is_temporary(kind: str) -> None:
    async with serving(Zone(faults={"a.test": Fault(kind)})) as server:
        ask = asker(nameservers([f"127.0.0.1:{server.port}"], timeout=0.05, lifetime=0.1))
        with pytest.raises(Unroutable) as caught:
            await ask("a.test", "MX")
        assert str(caught.value.reply).startswith("451 4.4.3 DNS lookup of a.test MX failed")


async def test_absence_is_an_answer_and_lives_as_long_as_the_zone_says() -> None:
    zone = Zone(ttl=77)
    zone.add("a.test", {"A": ("192.0.2.1",)})
    async with serving(zone) as server:
        ask = ask_at(server)
        assert await ask("a.test", "MX") == Answer((), 77.0, True, False, "a.test")
        assert await ask("b.test", "MX") == Answer((), 77.0, False, False)


@pytest.mark.parametrize("name", ["x" * 64 + ".test", "a..test", ".".join(["abcdefghi"] * 30)])
async def test_what_is_no_name_is_final_and_asked_nobody(name: str) -> None:
    async with serving(Zone()) as server:
        with pytest.raises(Unroutable) as caught:
            await ask_at(server)(name, "MX")
        assert (caught.value.reply.code, caught.value.reply.enhanced) == (550, "5.1.2")
        assert server.queries == 0


async def test_a_cname_is_followed_to_the_name_it_ends_at() -> None:
    zone = Zone()
    zone.add("mx.test", {"CNAME": ("real.test.",)})
    zone.add("real.test", {"A": ("192.0.2.7",)})
    async with serving(zone) as server:
        answer = await ask_at(server)("mx.test", "A")
        assert (answer.values, answer.canonical) == (((0, "192.0.2.7"),), "real.test")


async def test_255_mx_records_are_cut_to_the_best() -> None:
    zone = Zone()
    zone.add("many.test", {"MX": tuple(f"{300 - n} mx{n}.many.test." for n in range(255))})
    async with serving(zone) as server:
        answer = await ask_at(server)("many.test", "MX")
        assert len(answer.values) == MOST_RECORDS
        assert answer.values[0] == (46, "mx254.many.test")


async def test_hosts_that_no_host_can_be_called_are_left_out() -> None:
    zone = Zone()
    zone.add("odd.test", {"MX": ("10 a\\032b.test.", "20 \\000.test.", "30 good.test.")})
    zone.add("all.test", {"MX": ("10 a\\010b.test.",)})
    async with serving(zone) as server:
        assert (await ask_at(server)("odd.test", "MX")).values == ((30, "good.test"),)
        assert (await ask_at(server)("all.test", "MX")).values == ((0, ""),), (
            "there is an MX, and it is no host"
        )


async def test_an_mx_record_of_two_bytes_is_no_answer() -> None:
    async with answering(lambda query: raw(query, [b"\0\n"])) as port:
        with pytest.raises(Unroutable) as caught:
            await ask_at(port)("a.test", "MX")
        assert caught.value.reply.code == 451


@pytest.mark.parametrize("short", [b"", b"\3", b"\3\1"])
async def test_a_tlsa_record_too_short_costs_itself_alone(short: bytes) -> None:
    good = b"\3\1\1" + bytes(32)
    async with answering(lambda query: raw(query, [short, good])) as port:
        answer = await ask_at(port)("_25._tcp.mx.test", "TLSA")
    assert answer.values == ((0, "3 1 1 " + "00" * 32), (0, ""))
    assert answer.secure


async def test_a_tlsa_record_of_three_bytes_is_a_record_and_not_absence() -> None:
    async with answering(lambda query: raw(query, [b"\3\1\1"])) as port:
        answer = await ask_at(port)("_25._tcp.mx.test", "TLSA")
    assert answer.values in (((0, ""),), ((0, "3 1 1 "),)), "which of them depends on dnspython's version"
    assert answer.secure


async def test_the_ad_bit_is_believed_of_loopback_and_of_who_is_named_only() -> None:
    zone = Zone(secure=True)
    zone.add("a.test", {"A": ("192.0.2.1",)})
    async with serving(zone) as server:
        assert (await ask_at(server)("a.test", "A")).secure
        assert not (await ask_at(server, trusted=False)("a.test", "A")).secure
        assert (await ask_at(server, trusted=True)("a.test", "A")).secure
    assert on_loopback(nameservers(["127.0.0.1", "[::1]:5353"]))
    assert not on_loopback(nameservers(["127.0.0.1", "192.0.2.53"]))


async def test_an_answer_without_the_ad_bit_is_not_secure() -> None:
    zone = Zone(secure=False)
    zone.add("a.test", {"A": ("192.0.2.1",)})
    async with serving(zone) as server:
        assert not (await ask_at(server)("a.test", "A")).secure


async def test_a_long_text_is_joined_and_cut() -> None:
    zone = Zone()
    zone.add("t.test", {"TXT": ('"v=STSv1; " "id=1;"', " ".join(['"' + "x" * 250 + '"'] * 20))})
    async with serving(zone) as server:
        texts = [text for _, text in (await ask_at(server)("t.test", "TXT")).values]
    assert "v=STSv1; id=1;" in texts
    assert max(map(len, texts)) == 4096


def test_servers_are_written_in_all_the_usual_ways() -> None:
    made = nameservers(["192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:54", "2001:db8::2", "[2001:db8::3]"])
    assert [(each.address, each.port) for each in made.nameservers] == [  # type: ignore[union-attr]
        ("192.0.2.1", 53), ("192.0.2.1", 5353), ("2001:db8::1", 54), ("2001:db8::2", 53), ("2001:db8::3", 53),
    ]  # fmt: skip


def test_it_works_on_uvloop_too() -> None:
    async def one() -> Answer:
        zone = Zone(faults={"cut.test": Fault("truncate")})
        zone.add("cut.test", {"A": ("192.0.2.1",)})
        async with serving(zone) as server:
            return await ask_at(server)("cut.test", "A")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(one()).values == ((0, "192.0.2.1"),)
