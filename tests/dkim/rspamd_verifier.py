"""rspamd as a verifier of DKIM signatures: installed, or its packages unpacked into the folder `RSPAMD_ROOT` names.

apt-get download rspamd libhyperscan5 libluajit-5.1-2 libluajit-5.1-common
for one in *.deb; do dpkg-deb -x $one /opt/rspamd; done; export RSPAMD_ROOT=/opt/rspamd
"""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 30.0

CONF = """\
options {{
  filters = "dkim"; explicit_modules = ["dkim"];
  pidfile = "{folder}/pid"; cache_file = "{folder}/cache"; tempdir = "{folder}"; url_tld = "{folder}/tld";
  hs_cache_dir = "{folder}"; control_socket = "{folder}/control mode=0600";
  dns {{ nameserver = ["127.0.0.1:{dns}"]; timeout = 2s; retransmits = 3; }}
}}
logging {{ type = "console"; level = "warning"; }}
dkim {{ check_local = true; check_authed = true; trusted_only = false; skip_multi = false; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
"""


def root() -> Path | None:
    """The folder below which rspamd's files lie, None where there is none."""
    unpacked = os.environ.get("RSPAMD_ROOT")
    if unpacked and Path(unpacked, "usr/bin/rspamd").exists():
        return Path(unpacked)
    return Path("/") if shutil.which("rspamd") else None


@contextmanager
def rspamd(root: Path, folder: Path, dns: int, port: int) -> Iterator[str]:
    """The URL to which a message is posted; keys are asked of the name server on the port `dns`."""
    (folder / "tld").write_text("example\n")
    conf = folder / "rspamd.conf"
    conf.write_text(CONF.format(folder=folder, dns=dns, port=port))
    share, folders = root / "usr/share/rspamd", ("CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")
    places = {"LUALIBDIR": share / "lualib", "RULESDIR": share / "rules", "PLUGINSDIR": share / "plugins"}
    places |= {"SHAREDIR": share} | dict.fromkeys(folders, folder)
    libraries = [str(path) for path in (root / "usr/lib/rspamd", *(root / "usr/lib").glob("*-linux-gnu"))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(root / "usr/bin/rspamd"), "-f", "-i", "-T", "-c", str(conf),
                *(f"--var={name}={path}" for name, path in places.items()),
            ],
            env=os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}/checkv2"
    try:
        _wait(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def symbols(url: str, message: bytes) -> dict[str, list[str]]:
    """The symbols that rspamd gives a message, each with its options."""
    with urllib.request.urlopen(urllib.request.Request(url, message), timeout=30) as answer:
        found = json.load(answer)["symbols"]
    return {name: symbol.get("options", []) for name, symbol in found.items()}


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            symbols(url, b"From: a@a.example\r\n\r\nx\r\n")
            return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise AssertionError(f"rspamd did not start: {log.read_text()}")
