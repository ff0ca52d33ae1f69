"""A Postfix of one's own: everything in one folder, one port on loopback, relaying to another; needs root."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 20.0

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
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
myhostname = relay.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
relayhost = [127.0.0.1]:{onward}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject
message_size_limit = 0
"""


def missing() -> str:
    """Why there can be no Postfix here, or an empty text."""
    if os.geteuid() != 0:
        return "Postfix starts as root only"
    if shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        return "no Postfix: apt-get install postfix"
    return ""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def relay(onward: int) -> Iterator[int]:
    """The port of a Postfix that passes all it gets to `onward` on loopback."""
    # Not under pytest's own folder, which other users may not enter: Postfix leaves root.
    with tempfile.TemporaryDirectory(prefix="mta-postfix-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        conf = folder / "conf"
        for part in ("conf", "queue", "data"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix")
        (conf / "main.cf").write_text(MAIN.format(folder=folder, onward=onward))
        (conf / "master.cf").write_text(MASTER.format(port=port))
        told = subprocess.run(
            ["/usr/sbin/postfix", "-c", str(conf), "start"], capture_output=True, timeout=60, check=False
        )
        try:
            _wait(port, folder, told.stderr.decode())
            yield port
        finally:
            subprocess.run(
                ["/usr/sbin/postfix", "-c", str(conf), "stop"], capture_output=True, timeout=60, check=False
            )


def _wait(port: int, folder: Path, told: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0) as one:
                if one.recv(4) == b"220 ":
                    return
        except OSError:
            time.sleep(0.05)
    log = folder / "log"
    raise AssertionError(f"Postfix did not start: {told} {log.read_text() if log.exists() else ''}")
