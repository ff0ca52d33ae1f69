"""Haraka with its DKIM plugin and two workers as a signing relay: from npm, in a folder of its own.

Outbound concurrency is 100 a worker, logs are at `notice`, TLS is off. Haraka 3 keeps no connections: one a message.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.packages import npm
from bench.peer import DOMAIN, SELECTOR, Running, until_open
from bench.rig import free_port

PACKAGES = ("haraka@3.3.4", "haraka-plugin-dkim@1.3.1")
PLUGIN = """\
require('node:dns').setServers(['127.0.0.1'])  // no look-up leaves the machine
exports.register = function () {
  this.register_hook('connect', 'ours')
  this.register_hook('rcpt', 'take')
  this.register_hook('get_mx', 'route')
}
exports.ours = function (next, connection) { connection.relaying = true; next() }
exports.take = function (next) { next(OK) }
exports.route = function (next, hmail, domain) {
  const number = Number(domain.split('.')[0].slice(1))
  next(OK, { priority: 0, exchange: `127.0.0.${number + 1}`, port: PORT })
}
"""


@contextmanager
def haraka(folder: Path, key: Path, sink_port: int) -> Iterator[Running]:
    """Run it; raise Unavailable."""
    modules = npm("haraka", *PACKAGES)
    port = free_port()
    config = folder / "config"
    shutil.copytree(modules / "node_modules/haraka/config", config)
    (config / "dkim" / DOMAIN).mkdir(parents=True)
    (folder / "plugins").mkdir()
    (folder / "queue").mkdir()
    (folder / "plugins/to_sink.js").write_text(PLUGIN.replace("PORT", str(sink_port)))
    files = {
        "me": "relay.example.test\n",
        "plugins": "to_sink\ndkim\n",
        "smtp.ini": f"listen=127.0.0.1:{port}\nnodes=2\n",
        "log.ini": "[main]\nlevel=notice\n",
        "outbound.ini": "concurrency_max=100\nenable_tls=false\nlocal_mx_ok=true\n",
        "tls.ini": "no_starttls_ports[]=25\n",
        "dkim.ini": "[sign]\nenabled=true\n[canon]\nbody=relaxed\n[verify]\nenabled=false\n",
        f"dkim/{DOMAIN}/private": key.read_text(),
        f"dkim/{DOMAIN}/selector": SELECTOR + "\n",
    }
    for name, text in files.items():
        (config / name).write_text(text)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["node", str(modules / "node_modules/haraka/bin/haraka"), "-c", str(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ) | {"NODE_ENV": "production"},
        )  # fmt: skip
    try:
        until_open(port, f"Haraka did not start: {(folder / 'log').read_text()[-500:]}")
        yield Running(port, (process.pid,))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
