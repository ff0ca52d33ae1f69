"""Sessions opened against real servers: what each policy takes, what it refuses, and what is never said in clear."""

import asyncio
import ssl
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import aiosmtplib
import pytest
import uvloop
from authority import Made, make
from mailhost import Mailhost, running

from mta.net.connect import CannotConnect, Contexts, Dialling, Opened, Way, contexts, open_session
from mta.net.resolver import Host
from mta.net.terms import Login
from mta.net.tls import HAS_CHAIN, chain_of, opportunistic_context
from mta.policy.dane import Tlsa
from mta.policy.tls import Level, TlsNeed
from mta.verdict import Stage

NAME = "mx.d.test"
ROOT = make("root", signs=True)
BETWEEN = make("between", ROOT, signs=True)
LEAF = make("leaf", BETWEEN, names=[NAME])
ALONE = make("alone", names=[NAME])
VERIFY = TlsNeed(Level.VERIFY, "sts", (NAME,))
ENCRYPT = TlsNeed(Level.ENCRYPT, "domain")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    path: Path = tmp_path_factory.mktemp("ca") / "root.pem"
    path.write_bytes(ROOT.pem)
    return contexts(authorities=str(path))


def dane(made: Made, usage: int = 3) -> TlsNeed:
    digest = sha256(made.spki).digest()
    return TlsNeed(Level.DANE, "dane", (NAME, "d.test"), (Tlsa(usage, 1, 1, digest),))


async def session(
    host: Mailhost,
    tls: Contexts | ssl.SSLContext | None,
    need: TlsNeed | None = None,
    way: Way | None = None,
    name: str = NAME,
) -> Opened:
    opened = await open_session(
        Host(name, "127.0.0.1"), Dialling(port=host.port, helo="us.test"), tls, need, way
    )
    opened.transport.abort()
    return opened


async def refused(
    host: Mailhost, tls: Contexts | None, need: TlsNeed, way: Way | None = None
) -> CannotConnect:
    with pytest.raises(CannotConnect) as caught:
        await session(host, tls, need, way)
    assert caught.value.reply.kind == 4
    assert all(line.partition(" ")[0] in ("EHLO", "STARTTLS", "QUIT") for line in host.clear)
    return caught.value


async def test_what_is_offered_is_used_whoever_is_there(both: Contexts) -> None:
    async with running(Mailhost(ALONE.server())) as host:
        opened = await session(host, both)
        assert opened.tls.startswith("TLSv1.3 TLS_")
        assert (opened.security, opened.fault) == ("encrypted", "")
        assert host.clear == ["EHLO us.test", "STARTTLS"]
        assert host.secret == ["EHLO us.test"]
        assert host.names == [NAME]
        assert "STARTTLS" not in opened.ehlo


async def test_what_is_not_offered_is_done_without(both: Contexts) -> None:
    async with running(Mailhost()) as host:
        opened = await session(host, both)
        assert (opened.tls, opened.security, opened.fault) == ("", "clear", "")
        assert "PIPELINING" in opened.ehlo


@pytest.mark.parametrize("tls", [None, opportunistic_context()], ids=["off", "one context"])
async def test_the_simple_ways_of_asking_still_do(tls: ssl.SSLContext | None) -> None:
    async with running(Mailhost(ALONE.server())) as host:
        assert (await session(host, tls)).security == ("encrypted" if tls else "clear")


@pytest.mark.parametrize("fails", ["454", "handshake"])
async def test_tls_that_fails_is_done_without_when_nobody_asked_for_it(both: Contexts, fails: str) -> None:
    host = Mailhost(ALONE.server(), breaks=fails == "handshake")
    if fails == "454":
        host.starttls = b"454 4.7.0 not now\r\n"
    async with running(host):
        opened = await session(host, both)
        assert opened.security == "clear"
        assert opened.fault == ("starttls-not-supported" if fails == "454" else "validation-failure")
        assert host.connections == 2


@pytest.mark.parametrize("need", [ENCRYPT, VERIFY, dane(ALONE)], ids=["encrypt", "verify", "dane"])
@pytest.mark.parametrize("fails", ["not offered", "454", "handshake"])
async def test_what_must_be_encrypted_is_never_sent_in_clear(
    both: Contexts, need: TlsNeed, fails: str
) -> None:
    host = Mailhost(ALONE.server(), offers=fails != "not offered", breaks=fails == "handshake")
    if fails == "454":
        host.starttls = b"454 4.7.0 not now\r\n"
    async with running(host):
        error = await refused(host, both, need)
        assert error.stage is Stage.STARTTLS
        assert error.fault == ("validation-failure" if fails == "handshake" else "starttls-not-supported")
        assert host.connections == 1


async def test_what_must_be_encrypted_is_refused_where_tls_is_off(both: Contexts) -> None:
    async with running(Mailhost(ALONE.server())) as host:
        for need in (ENCRYPT, VERIFY, dane(ALONE)):
            assert (await refused(host, None, need)).reply.enhanced == "4.7.5"
        assert host.connections == 0


async def test_a_host_that_policy_refuses_is_not_even_called(both: Contexts) -> None:
    async with running(Mailhost(ALONE.server())) as host:
        need = TlsNeed(Level.VERIFY, "sts", (NAME,), refuse="not in the policy", fault="validation-failure")
        error = await refused(host, both, need)
        assert (error.fault, host.connections) == ("validation-failure", 0)
        assert "not in the policy" in error.reply.text


async def test_a_single_context_cannot_say_who_is_there(both: Contexts) -> None:
    async with running(Mailhost(ALONE.server())) as host:
        with pytest.raises(CannotConnect):
            await session(host, opportunistic_context(), VERIFY)
        assert host.connections == 0


async def test_a_certificate_of_a_known_authority_for_the_right_name(both: Contexts) -> None:
    async with running(Mailhost(LEAF.server(BETWEEN))) as host:
        assert (await session(host, both, VERIFY)).security == "verified"


BAD: dict[str, tuple[Made, tuple[Made, ...], str]] = {
    "self-signed": (ALONE, (), "certificate-not-trusted"),
    "unknown authority": (make("x", make("other", signs=True), names=[NAME]), (), "certificate-not-trusted"),
    "chain not sent": (LEAF, (), "certificate-not-trusted"),
    "expired": (make("x", ROOT, names=[NAME], ends=timedelta(days=-1)), (), "certificate-expired"),
    "not yet valid": (make("x", ROOT, names=[NAME], begins=timedelta(days=1)), (), "certificate-expired"),
    "other name": (make("x", ROOT, names=["other.test"]), (), "certificate-host-mismatch"),
    "name in CN alone": (make(NAME, ROOT), (), "certificate-host-mismatch"),
    "wildcard too deep": (make("x", ROOT, names=["*.test"]), (), "certificate-host-mismatch"),
    "signed by who may not": (make("x", make("p", ROOT), names=[NAME]), (), "certificate-not-trusted"),
}


@pytest.mark.parametrize("case", BAD)
async def test_certificates_that_do_not_verify(both: Contexts, case: str) -> None:
    made, sent, fault = BAD[case]
    async with running(Mailhost(made.server(*sent))) as host:
        error = await refused(host, both, VERIFY)
        assert (error.fault, error.stage, host.connections) == (fault, Stage.STARTTLS, 1)
        assert set(host.secret) <= {"QUIT"}


@pytest.mark.parametrize("case", BAD)
async def test_a_policy_in_testing_tells_and_forgives(both: Contexts, case: str) -> None:
    made, sent, fault = BAD[case]
    async with running(Mailhost(made.server(*sent))) as host:
        opened = await session(host, both, TlsNeed(Level.MAY, trial=(NAME,)))
        assert (opened.security, opened.fault) == ("encrypted", fault)


async def test_a_policy_in_testing_that_is_met_says_nothing(both: Contexts) -> None:
    async with running(Mailhost(LEAF.server(BETWEEN))) as host:
        opened = await session(host, both, TlsNeed(Level.MAY, trial=(NAME,)))
        assert (opened.security, opened.fault, host.connections) == ("encrypted", "", 1)
    async with running(Mailhost()) as host:
        opened = await session(host, both, TlsNeed(Level.MAY, trial=(NAME,)))
        assert (opened.security, opened.fault) == ("clear", "starttls-not-supported")


async def test_an_operators_names_count_in_place_of_the_hosts(both: Contexts) -> None:
    async with running(Mailhost(LEAF.server(BETWEEN))) as host:
        need = TlsNeed(Level.VERIFY, "domain", (".d.test",))
        assert (await session(host, both, need, name="relay.test")).security == "verified"
        assert host.names == ["relay.test"]


async def test_dane_takes_the_key_it_names_and_no_other(both: Contexts) -> None:
    old = make("x", names=["elsewhere.test"], ends=timedelta(days=-1))
    for made in (ALONE, old, LEAF):
        async with running(Mailhost(made.server())) as host:
            assert (await session(host, both, dane(made))).security == "dane"
            error = await refused(host, both, dane(make("other")))
            assert (error.fault, error.reply.enhanced) == ("validation-failure", "4.7.5")
            assert not [line for line in host.secret[1:] if not line.startswith("QUIT")]


async def test_dane_says_the_name_of_the_records_in_sni(both: Contexts) -> None:
    async with running(Mailhost(ALONE.server())) as host:
        await session(host, both, dane(ALONE), name="alias.test")
        assert host.names == [NAME]


def test_the_chain_can_be_had_in_this_python() -> None:
    assert HAS_CHAIN, "TLSA usage 2 is unusable without it: see mta.net.tls.chain_of"


async def test_dane_takes_a_chain_to_the_anchor_it_names(both: Contexts) -> None:
    async with running(Mailhost(LEAF.server(BETWEEN, ROOT))) as host:
        opened = await open_session(
            Host(NAME, "127.0.0.1"), Dialling(port=host.port, helo="us.test"), both, dane(ROOT, usage=2)
        )
        assert opened.security == "dane"
        chain = chain_of(opened.transport.get_extra_info("ssl_object"))
        assert chain == (LEAF.der, BETWEEN.der, ROOT.der)
        opened.transport.abort()
    async with running(Mailhost(LEAF.server())) as host:
        assert (await refused(host, both, dane(ROOT, usage=2))).fault == "validation-failure"
    stranger = make("x", ROOT, names=["other.test"])
    async with running(Mailhost(stranger.server(ROOT))) as host:
        assert (await refused(host, both, dane(ROOT, usage=2))).fault == "certificate-host-mismatch"


async def test_what_is_slipped_in_before_the_handshake_is_never_believed(both: Contexts) -> None:
    host = Mailhost(LEAF.server(BETWEEN), starttls=b"220 go ahead\r\n250-evil.test\r\n250 XEVIL\r\n")
    async with running(host):
        try:
            said = (await session(host, both, VERIFY)).ehlo
        except CannotConnect:
            said = ()  # ending it is as good
        assert not any("EVIL" in line.upper() for line in said)


async def test_an_old_version_of_tls_is_not_spoken(both: Contexts) -> None:
    context = ALONE.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running(Mailhost(context)) as host:
        assert (await session(host, contexts("1.2"), ENCRYPT)).tls.startswith("TLSv1.2 ")
        await refused(host, contexts("1.3"), ENCRYPT)


# Routes: TLS from the first byte, and AUTH.


async def test_tls_from_the_first_byte(both: Contexts) -> None:
    way = Way(implicit=True)
    async with running(Mailhost(LEAF.server(BETWEEN), implicit=True)) as host:
        opened = await session(host, both, VERIFY, Way(port=host.port, implicit=True))
        assert (opened.security, host.clear, host.names) == ("verified", [], [NAME])
    async with running(Mailhost(ALONE.server(), implicit=True)) as host:
        assert (await refused(host, both, VERIFY, way)).fault == "certificate-not-trusted"
        assert (await session(host, both, ENCRYPT, way)).security == "encrypted"
    async with running(Mailhost()) as host:
        assert (await refused(host, both, ENCRYPT, way)).stage is Stage.STARTTLS


async def test_a_password_opens_the_door(both: Contexts) -> None:
    async with running(Mailhost(LEAF.server(BETWEEN), password="secret")) as host:
        opened = await session(host, both, VERIFY, Way(login=Login("me", "secret")))
        assert opened.security == "verified"
        assert host.secret[1].startswith("AUTH PLAIN ")
        assert not any("AUTH" in line for line in host.clear)
        with pytest.raises(CannotConnect) as caught:
            await session(host, both, VERIFY, Way(login=Login("me", "wrong")))
        assert (caught.value.reply.code, caught.value.stage) == (535, Stage.EHLO)


async def test_a_password_is_never_said_in_clear(both: Contexts) -> None:
    way = Way(login=Login("me", "secret"))
    for host in (Mailhost(password="secret"), Mailhost(ALONE.server(), breaks=True, password="secret")):
        async with running(host):
            await refused(host, both, TlsNeed(Level.MAY), way)
            assert not any("AUTH" in line for line in host.clear)
    assert "secret" not in repr(Login("me", "secret"))


async def test_a_host_that_takes_no_password_is_told_so(both: Contexts) -> None:
    async with running(Mailhost(LEAF.server(BETWEEN))) as host:
        error = await refused(host, both, VERIFY, Way(login=Login("me", "secret")))
        assert "AUTH" in error.reply.text


def test_all_of_it_on_uvloop(both: Contexts) -> None:
    """The engine's own loop has a TLS of its own making: what is read of a session must be there too."""

    async def story() -> None:
        await test_what_is_offered_is_used_whoever_is_there(both)
        await test_tls_that_fails_is_done_without_when_nobody_asked_for_it(both, "handshake")
        await test_dane_takes_the_key_it_names_and_no_other(both)
        await test_dane_takes_a_chain_to_the_anchor_it_names(both)
        await test_tls_from_the_first_byte(both)
        for case in BAD:
            await test_certificates_that_do_not_verify(both, case)
            await test_a_policy_in_testing_tells_and_forgives(both, case)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


# The contract with aiosmtplib.


async def test_what_the_hand_over_touches_is_there() -> None:
    async with running(Mailhost()) as host:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=host.port, start_tls=False)
        await client.connect()
        await client.ehlo()
        assert client.protocol is not None
        assert isinstance(client.protocol._buffer, bytearray)
        assert client.last_ehlo_response is not None
        assert client.last_ehlo_response.message.startswith("mailhost.test\n")
        assert isinstance(client.transport, asyncio.Transport)
        assert client._connect_lock is not None
        assert client._connect_lock.locked()
        client.close()
