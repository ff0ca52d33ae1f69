"""Exim as a receiver: a Maildir for all mail to example.net, on one port of loopback."""

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.dkim.relay_postfix import free_port
from tests.interop.mailbox import Mailbox
from tests.interop.namespace import USERS, root, running, workplace

CONF = """\
primary_hostname = mx1.example.net
spool_directory = {folder}/spool
log_file_path = {folder}/log-%slog
pid_file_path = {folder}/pid
exim_user = Debian-exim
exim_group = Debian-exim
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
domainlist local_domains = example.net
acl_smtp_rcpt = accept
acl_smtp_data = accept
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
pipelining_advertise_hosts = {pipelining}
chunking_advertise_hosts = {chunking}
accept_8bitmime = {eight_bit}
smtputf8_advertise_hosts = {utf8}
smtp_accept_max_per_connection = 1000
smtp_accept_queue_per_connection = 0
message_size_limit = 20M
queue_run_in_order = false
never_users =
begin routers
box:
  driver = accept
  domains = +local_domains
  transport = box
begin transports
box:
  driver = appendfile
  directory = {folder}/mail/box
  maildir_format
  user = Debian-exim
  group = Debian-exim
  create_directory
  message_prefix =
  message_suffix =
  escape_string =
  check_string =
"""


@contextmanager
def exim(*, pipelining: bool = True, chunking: bool = True, eight_bit: bool = True) -> Iterator[Mailbox]:
    """An Exim that offers what it is told to; skips the test where there can be none."""
    unpacked = root("exim4-base", "exim4-daemon-light", "libidn12")
    with workplace() as folder:
        port = free_port()
        for part in ("spool", "mail"):
            (folder / part).mkdir()
            shutil.chown(folder / part, USERS["Debian-exim"], USERS["Debian-exim"])
        shutil.chown(folder, USERS["Debian-exim"], USERS["Debian-exim"])
        offers = {
            "pipelining": "*" if pipelining else "",
            "chunking": "*" if chunking else "",
            "eight_bit": "true" if eight_bit else "false",
            "utf8": "*",
        }
        conf = folder / "exim.conf"
        conf.write_text(CONF.format(folder=folder, port=port, **offers))
        command = [
            str(unpacked / "usr/sbin/exim4"),
            "-C",
            str(conf),
            "-bdf",
            "-q30m",
            "-oX",
            f"127.0.0.1:{port}",
        ]
        with running(unpacked, folder, command) as process:
            until = time.monotonic() + 20.0
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", port), 5.0) as one:
                        one.recv(3)
                        break
                except OSError:
                    told = (folder / "log").read_text()
                    assert process.poll() is None, told
                    assert time.monotonic() < until, told
                    time.sleep(0.05)
            yield Mailbox("127.0.0.1", port, folder / "mail/box")
