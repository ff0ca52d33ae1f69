"""The town: its three views agree, and mail finds its way by DNS to the habit it was promised."""

import asyncio
import smtplib

import dns.asyncresolver
import dns.resolver
import pytest

from mta.address import domain_of
from mta.demo import town
from mta.demo.capture import Capture
from mta.demo.nameserver import Nameserver


def test_the_table_is_consistent() -> None:
    assert sum(town.weights().values()) == 1000
    used = [host.address for domain in town.DOMAINS for host in domain.hosts]
    assert len(used) == len(set(used))
    assert set(town.addresses()) < set(used)  # at least one host is down
    for domain in town.DOMAINS:
        assert domain_of(domain.name) == domain.name
        assert domain.name.endswith((".example", ".test"))
        assert bool(domain.hosts) == (domain.exists and not domain.null_mx)


async def test_every_domain_is_found_as_its_table_says() -> None:
    server = Nameserver(town.zone({"shop.example": {"TXT": ('"v=spf1 -all"',)}}))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], await server.start(), 3
    try:
        for domain in town.DOMAINS:
            if not domain.exists:
                with pytest.raises(dns.resolver.NXDOMAIN):
                    await resolver.resolve(domain.name, "MX")
                continue
            answer = sorted(await resolver.resolve(domain.name, "MX"), key=lambda one: int(one.preference))
            if domain.null_mx:
                assert [str(one.exchange) for one in answer] == ["."]
                continue
            found = [(await resolver.resolve(one.exchange, "A"))[0].address for one in answer]
            assert found == [host.address for host in domain.hosts]
        assert len(list(await resolver.resolve("shop.example", "TXT"))) == 1
    finally:
        await server.stop()


async def test_a_mail_to_each_meets_the_habit() -> None:
    receiver = town.receiver(capture=Capture(100))
    port = await receiver.start(town.addresses())
    up = {
        domain.name: next(host.address for host in domain.hosts if host.up)
        for domain in town.DOMAINS
        if domain.hosts
    }
    down = next(host.address for domain in town.DOMAINS for host in domain.hosts if not host.up)

    def deliver(domain: str) -> int:
        with smtplib.SMTP(up[domain], port, timeout=5) as client:
            client.ehlo()
            client.mail("n@shop.example")
            return client.rcpt(f"somebody@{domain}")[0]

    try:
        codes = {domain: await asyncio.to_thread(deliver, domain) for domain in up}
        with pytest.raises(OSError):
            await asyncio.open_connection(down, port)
    finally:
        await receiver.stop()
    assert codes["northmail.example"] == codes["twogates.example"] == codes["slowcoach.test"] == 250
    assert codes["greystone.example"] == 450
    assert set(codes.values()) <= {250, 450, 451, 550}
