"""OpenSMTPD as a receiver: a Maildir for all mail to example.net, on one port of loopback."""

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.dkim.relay_postfix import free_port
from tests.interop.mailbox import Mailbox
from tests.interop.namespace import USERS, root, running, workplace

CONF = """\
smtp max-message-size 20M
listen on 127.0.0.1 port {port} hostname mx1.example.net
table boxes file:{folder}/boxes
action box maildir "{folder}/mail/box" virtual <boxes>
match from any for domain example.net action box
"""

SETUP = 'mkdir -p /var/lib/opensmtpd/empty; chmod 711 /var/lib/opensmtpd/empty; exec "$@"'


@contextmanager
def opensmtpd() -> Iterator[Mailbox]:
    """An OpenSMTPD; skips the test where there can be none."""
    unpacked = root("opensmtpd")
    with workplace() as folder:
        port = free_port()
        for part in ("mail",):
            (folder / part).mkdir()
        shutil.chown(folder / "mail", USERS["opensmtpq"], USERS["opensmtpq"])
        (folder / "boxes").write_text("@example.net opensmtpq\n")
        conf = folder / "smtpd.conf"
        conf.write_text(CONF.format(folder=folder, port=port))
        command = ["sh", "-c", SETUP, "sh", "/usr/sbin/smtpd", "-dv", "-f", str(conf)]
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
