"""Postfix with OpenDKIM behind a unix socket as a signing relay: tuned for many destinations, all in one folder.

Fifty destinations stay fifty, as each domain has an address of its own; connections are cached for all of them,
concurrency is 50 (20 at first), 200 processes with smtp(8) capped at 50, no in-flow delay, nothing chrooted or looked
up. OpenDKIM only signs, relaxed/relaxed; over loopback TCP the same pair is half as fast.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.packages import Unavailable
from bench.peer import DOMAIN, DOMAINS, SELECTOR, Running, until_open
from bench.rig import free_port

MASTER = """\
127.0.0.1:{port} inet n - n - 200 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - 50 smtp
relay unix - - n - 50 smtp
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
myhostname = relay.example.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
transport_maps = texthash:{folder}/conf/transport
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
smtp_connection_cache_destinations = static:all
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
default_process_limit = 200
default_destination_concurrency_limit = 50
initial_destination_concurrency = 20
qmgr_message_active_limit = 50000
qmgr_message_recipient_limit = 50000
in_flow_delay = 0
smtpd_milters = unix:{folder}/milter
milter_default_action = tempfail
milter_protocol = 6
"""
OPENDKIM = """\
Mode s
Domain {domain}
Selector {selector}
KeyFile {key}
Canonicalization relaxed/relaxed
Socket local:{folder}/milter
UMask 000
RequireSafeKeys no
InternalHosts {folder}/hosts
Syslog no
"""


@contextmanager
def postfix(folder: Path, key: Path, sink_port: int) -> Iterator[Running]:
    """Run the pair; raise Unavailable."""
    if os.geteuid() != 0:
        raise Unavailable("Postfix starts as root only")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    for program in ("postfix", "opendkim"):
        if shutil.which(program, path=path) is None:
            raise Unavailable(f"no {program}: apt-get install postfix opendkim")
    port = _configure(folder, key, sink_port)
    conf = str(folder / "conf")
    with (folder / "opendkim.log").open("wb") as log:
        milter = subprocess.Popen(
            [str(shutil.which("opendkim", path=path)), "-f", "-x", str(folder / "opendkim.conf")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        ends = time.monotonic() + 10
        while not (folder / "milter").exists():
            if milter.poll() is not None or time.monotonic() > ends:
                raise Unavailable(f"OpenDKIM did not start: {(folder / 'opendkim.log').read_text()[-300:]}")
            time.sleep(0.02)
        told = subprocess.run(["/usr/sbin/postfix", "-c", conf, "start"], capture_output=True, check=False)
        try:
            until_open(port, f"Postfix did not start: {told.stderr.decode()[-300:]}")
            master = int((folder / "queue/pid/master.pid").read_text())
            yield Running(port, (master, milter.pid))
        finally:
            subprocess.run(["/usr/sbin/postfix", "-c", conf, "stop"], capture_output=True, check=False)
    finally:
        milter.terminate()
        milter.wait(10)


def _configure(folder: Path, key: Path, sink_port: int) -> int:
    port = free_port()
    folder.chmod(0o755)
    for part in ("conf", "queue", "data"):
        (folder / part).mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "hosts").write_text("127.0.0.0/8\n")
    (folder / "conf/main.cf").write_text(MAIN.format(folder=folder))
    (folder / "conf/master.cf").write_text(MASTER.format(port=port))
    rows = [f"d{n}.example.test smtp:[127.0.0.{n + 1}]:{sink_port}\n" for n in range(DOMAINS)]
    (folder / "conf/transport").write_text("".join(rows))
    text = OPENDKIM.format(folder=folder, domain=DOMAIN, selector=SELECTOR, key=key)
    (folder / "opendkim.conf").write_text(text)
    return port
