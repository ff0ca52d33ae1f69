"""The name server against dnspython's resolver: right answers, right negatives, and faults on demand."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import pytest

from mta.demo.nameserver import Nameserver
from mta.demo.zone import Fault, Zone, ZoneError, load, numbered

RECORDS = {
    "a.test": {"MX": ("20 mx2.a.test.", "10 mx1.a.test."), "TXT": ('"v=spf1 -all"',)},
    "mx1.a.test": {"A": ("127.0.0.2",), "AAAA": ("::1",)},
    "alias.test": {"CNAME": ("a.test.",)},
    "loop.test": {"CNAME": ("loop.test.",)},
    "null.test": {"MX": ("0 .",)},
    "big.test": {"TXT": tuple(f'"{"x" * 200}{n}"' for n in range(20))},
    "deep.under.test": {"A": ("127.0.0.3",)},
}


@asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[tuple[Nameserver, dns.asyncresolver.Resolver]]:
    server = Nameserver(zone)
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], await server.start()
    resolver.lifetime = 3
    try:
        yield server, resolver
    finally:
        await server.stop()


async def ask(server: Nameserver, name: str, kind: str = "A", **options: object) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]
    return await dns.asyncquery.udp(query, "127.0.0.1", port=server.port, timeout=3)


async def test_records_of_every_kind() -> None:
    async with serving(Zone(records=RECORDS)) as (server, resolver):
        mx = await resolver.resolve("A.test", "MX")
        assert sorted((one.preference, str(one.exchange).lower()) for one in mx) == [
            (10, "mx1.a.test."),
            (20, "mx2.a.test."),
        ]
        assert [one.address for one in await resolver.resolve("mx1.a.test", "A")] == ["127.0.0.2"]
        assert [one.address for one in await resolver.resolve("mx1.a.test", "AAAA")] == ["::1"]
        assert [one.strings for one in await resolver.resolve("a.test", "TXT")] == [(b"v=spf1 -all",)]
        alias = await resolver.resolve("alias.test", "MX")
        assert str(alias.canonical_name) == "a.test."
        [null] = await resolver.resolve("null.test", "MX")
        assert (null.preference, str(null.exchange)) == (0, ".")
        assert server.queries == 6
        assert server.by_type == {"MX": 3, "A": 1, "AAAA": 1, "TXT": 1}


async def test_no_such_name_and_no_such_type_are_different_and_carry_the_soa() -> None:
    async with serving(Zone(records=RECORDS)) as (server, resolver):
        with pytest.raises(dns.resolver.NXDOMAIN):
            await resolver.resolve("missing.test", "MX")
        for name in ("mx1.a.test", "under.test", "test"):  # the second exists by what lies below it
            with pytest.raises(dns.resolver.NoAnswer):
                await resolver.resolve(name, "MX")
        response = await ask(server, "missing.test")
        assert response.flags & dns.flags.AA
        assert str(response.authority[0].name) == "test."
        assert (await ask(server, "elsewhere.org")).rcode() == dns.rcode.REFUSED


async def test_a_cname_loop_ends() -> None:
    async with serving(Zone(records=RECORDS)) as (server, _):
        assert len((await ask(server, "loop.test")).answer) == 1


async def test_a_big_answer_is_cut_and_comes_whole_over_tcp() -> None:
    async with serving(Zone(records=RECORDS)) as (server, resolver):
        assert (await ask(server, "big.test", "TXT")).flags & dns.flags.TC
        assert len(list(await resolver.resolve("big.test", "TXT"))) == 20


async def test_numbered_domains_need_no_table() -> None:
    async with serving(Zone(rules=numbered("bulk.test", "127.0.0.9"))) as (_, resolver):
        [mx] = await resolver.resolve("d99999.bulk.test", "MX")
        assert str(mx.exchange) == "mx.d99999.bulk.test."
        [address] = await resolver.resolve(str(mx.exchange), "A")
        assert address.address == "127.0.0.9"
        with pytest.raises(dns.resolver.NXDOMAIN):
            await resolver.resolve("e1.bulk.test", "MX")


async def test_faults_on_demand() -> None:
    faults = {
        "servfail.test": Fault("servfail"),
        "refused.test": Fault("refused"),
        "drop.test": Fault("drop"),
        "mx1.a.test": Fault("truncate"),
        "a.test": Fault(delay_ms=30),
    }
    async with serving(Zone(records=RECORDS, faults=faults)) as (server, resolver):
        assert (await ask(server, "servfail.test")).rcode() == dns.rcode.SERVFAIL
        assert (await ask(server, "refused.test")).rcode() == dns.rcode.REFUSED
        cut = await ask(server, "mx1.a.test")
        assert cut.flags & dns.flags.TC
        assert not cut.answer
        assert [one.address for one in await resolver.resolve("mx1.a.test", "A")] == ["127.0.0.2"]
        assert len(list(await resolver.resolve("a.test", "MX"))) == 2
        query = dns.message.make_query("drop.test", "A")
        with pytest.raises(dns.exception.Timeout):
            await dns.asyncquery.udp(query, "127.0.0.1", port=server.port, timeout=0.1)
        with pytest.raises((EOFError, OSError)):
            await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=3)


async def test_the_ad_bit_is_set_for_a_secure_zone_that_is_asked_for_it() -> None:
    async with serving(Zone(records=RECORDS, secure=True)) as (server, _):
        assert (await ask(server, "mx1.a.test", want_dnssec=True)).flags & dns.flags.AD
        assert not (await ask(server, "mx1.a.test")).flags & dns.flags.AD
    async with serving(Zone(records=RECORDS)) as (server, _):
        assert not (await ask(server, "mx1.a.test", want_dnssec=True)).flags & dns.flags.AD


async def test_rubbish_and_responses_get_no_answer_and_do_no_harm() -> None:
    async with serving(Zone(records=RECORDS)) as (server, resolver):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", server.port)
        )
        transport.sendto(b"\x00\x01rubbish")
        query = dns.message.make_query("a.test", "MX")
        transport.sendto(dns.message.make_response(query).to_wire())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\xff\xff" + b"x" * 50)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        transport.close()
        assert len(list(await resolver.resolve("a.test", "MX"))) == 2
        assert server.queries == 1


def zone_file(folder: Path, document: object) -> Path:
    path = folder / "zone.json"
    path.write_text(json.dumps(document))
    return path


async def test_it_runs_alone_from_a_zone_file(tmp_path: Path) -> None:
    path = zone_file(
        tmp_path,
        {
            "origins": ["test"],
            "records": {"A.test.": {"MX": ["10 mx.a.test."]}},
            "patterns": {r"x(\d+)\.test": {"A": [r"127.0.1.\1"]}},
            "numbered": {"bulk.test": "127.0.0.1"},
            "faults": {"slow.test": {"kind": "servfail"}},
        },
    )
    command = [sys.executable, "-m", "mta.demo.nameserver", "--port", "0", "--zone", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            ready = json.loads(await asyncio.to_thread(process.stdout.readline))
            resolver = dns.asyncresolver.Resolver(configure=False)
            resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], ready["port"], 3
            assert len(list(await resolver.resolve("a.test", "MX"))) == 1
            [address] = await resolver.resolve("x7.test", "A")
            assert address.address == "127.0.1.7"
            with pytest.raises(dns.resolver.NoNameservers):
                await resolver.resolve("slow.test", "A")
            process.terminate()
            final = json.loads(await asyncio.to_thread(process.stdout.readline))
            assert final["queries"] >= 3
        finally:
            process.kill()


@pytest.mark.parametrize(
    "document, names",
    [
        ({"record": {}}, "unknown member 'record'"),
        ({"faults": {"a.test": {"kind": "explode"}}}, "explode"),
        ({"faults": {"a.test": {"delay_ms": -1}}}, "delay_ms"),
        ({"patterns": {"(": {"A": []}}}, "zone.json"),
        ([], "zone.json"),
    ],
)
def test_a_zone_file_that_cannot_be_is_refused_by_name(tmp_path: Path, document: object, names: str) -> None:
    with pytest.raises(ZoneError, match=names):
        load(zone_file(tmp_path, document))
