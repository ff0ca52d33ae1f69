"""Postfix as a receiver: everything in one folder, one port on loopback, mail in a Maildir; needs root."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.dkim.relay_postfix import MASTER, free_port
from tests.interop.mailbox import Mailbox
from tests.net.authority import make

START_S = 20.0

VIRTUAL = "virtual unix - n n - - virtual\n"
POSTSCREEN = """\
127.0.0.1:{port} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx1.example.net
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 192.0.2.0/24
alias_maps =
alias_database =
virtual_mailbox_domains = example.net
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_rate_limit = 0
message_size_limit = 20000000
{more}
"""
TLS = """\
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/tls.pem
"""


@contextmanager
def postfix(
    more: str = "", *, tls: bool = False, postscreen: bool = False, services: str = ""
) -> Iterator[Mailbox]:
    """A Postfix that keeps all mail to example.net; `more` are lines of its main.cf, `services` of its master.cf."""
    # Not under pytest's own folder, which other users may not enter: Postfix leaves root.
    with tempfile.TemporaryDirectory(prefix="mta-postfix-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        for part in ("conf", "queue", "data", "mail"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix")
        shutil.chown(folder / "mail", "postfix", "postfix")
        if tls:
            _certificate(folder / "tls.pem")
            more += TLS.format(folder=folder)
        owner = (folder / "mail").stat()
        main = MAIN.format(folder=folder, uid=owner.st_uid, gid=owner.st_gid, more=more)
        master = MASTER.format(port=port) + VIRTUAL + services
        if postscreen:
            master = POSTSCREEN.format(port=port) + master.partition("\n")[2]
        (folder / "conf/main.cf").write_text(main)
        (folder / "conf/master.cf").write_text(master)
        told = _postfix(folder, "start")
        try:
            _wait(folder, told)
            yield Mailbox("127.0.0.1", port, folder / "mail/box")
        finally:
            _postfix(folder, "stop")


def _postfix(folder: Path, word: str) -> str:
    command = ["/usr/sbin/postfix", "-c", str(folder / "conf"), word]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).stderr.decode()


def _certificate(path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = make("mx1.example.net", names=["mx1.example.net"])
    path.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.pem)
    path.chmod(0o600)


def _wait(folder: Path, told: str) -> None:
    """Wait until the master is up: a connection would be a visit that postscreen remembers."""
    log, until = folder / "log", time.monotonic() + START_S
    while time.monotonic() < until:
        if log.exists() and "daemon started" in log.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"Postfix did not start: {told} {log.read_text() if log.exists() else ''}")
