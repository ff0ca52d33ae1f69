"""Signed zones behind a validating resolver: unbound on loopback, which knows nothing but what is given to it here."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import dns.dnssec
import dns.name
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec

from mta.net.question import Ask, asker, nameservers

UNBOUND = shutil.which("unbound", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")

_CONFIG = """
server:
    interface: 127.0.0.1@{port}
    do-daemonize: no
    use-syslog: no
    logfile: ""
    verbosity: 0
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    num-threads: 1
    do-not-query-address: 0.0.0.0/0
    do-not-query-address: ::/0
    access-control: 127.0.0.0/8 allow
    module-config: "validator iterator"
    root-hints: "/dev/null"
    val-clean-additional: yes
    domain-insecure: "open.test."
    local-zone: "test." nodefault
{anchors}
remote-control:
    control-enable: no
{zones}
"""


def signed(origin: str, records: str, *, break_type: str = "") -> tuple[str, str]:
    """Return (zone file, trust anchor) of a zone signed with a new key; signatures of `break_type` are spoilt."""
    zone = dns.zone.from_text(
        f"$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\n{records}\n", origin
    )
    name = dns.name.from_text(origin)
    key = ec.generate_private_key(ec.SECP256R1())
    dnskey = dns.dnssec.make_dnskey(key.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)
    now = int(time.time())
    with zone.writer() as txn:
        dns.dnssec.sign_zone(
            zone, txn, [(key, dnskey)], inception=now - 3600, expiration=now + 86400, dnskey_ttl=300
        )
    text = zone.to_text(relativize=False)
    if break_type:
        text = "\n".join(
            _spoil(line) if f" RRSIG {break_type} " in line else line for line in text.split("\n")
        )
    anchor = dns.dnssec.make_ds(name, dnskey, "SHA256")
    return text, f"{name} DS {anchor}"


def _spoil(line: str) -> str:
    head, _, signature = line.rpartition(" ")
    return f"{head} {'A' * 8}{signature[8:]}"


class Unbound:
    """A resolver that validates the `zones` it is given as (text, trust anchor); an empty anchor: not signed."""

    def __init__(self, folder: Path, zones: Mapping[str, tuple[str, str]]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        anchors, clauses = [], []
        for origin, (text, anchor) in zones.items():
            path = folder / f"{origin.rstrip('.')}.zone"
            path.write_text(text)
            if anchor:
                anchors.append(f'    trust-anchor: "{anchor}"')
            clauses.append(
                f'auth-zone:\n    name: "{origin}"\n    zonefile: "{path}"\n'
                "    for-downstream: no\n    for-upstream: yes\n    fallback-enabled: no\n"
            )
        config = folder / "unbound.conf"
        config.write_text(
            _CONFIG.format(port=self.port, folder=folder, anchors="\n".join(anchors), zones="".join(clauses))
        )
        assert UNBOUND
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [UNBOUND, "-d", "-c", str(config)], stdout=self._log, stderr=self._log
        )
        self.folder = folder

    async def ready(self) -> None:
        """Return when it answers."""
        for _ in range(200):
            if self._process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.02)
        raise AssertionError("unbound does not answer")

    @property
    def ask(self) -> Ask:
        """The engine's own way of asking it."""
        return asker(nameservers([f"127.0.0.1:{self.port}"]))

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)
        self._log.close()
