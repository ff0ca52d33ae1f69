"""Every query of the shipped dashboards, asked of a real Prometheus that scrapes a real engine under load."""

import asyncio
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.load import connect
from bench.rig import Rig, Setup, free_port
from mta.metrics.catalogue import BY_NAME, METRICS, PREFIX

ROOT = Path(__file__).resolve().parents[2]
BOARDS = {
    path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "config/grafana").glob("*.json"))
}
PROMETHEUS = shutil.which("prometheus")
WAIT_SECONDS = 45.0
# Asked and parsed, but a healthy run of half a minute gives no answer to them.
MAY_BE_EMPTY = {
    "mta_gates_closed": "nothing is held or suspended",
    "mta_messages_expired_total": "no lifetime ends so soon",
    "mta_site_backoff": "no site is paused",
    "mta_sessions_failed_total": "every session opens",
    "mta_certificate_expiry_seconds": "no certificate is set",
    "mta_reloads_total": "nothing is reloaded",
    "mta_reload_refused": "nothing is reloaded",
    "mta_messages_unsure_total": "no session ends between dot and answer",
    "mta_inbound_refused_total": "nobody is refused",
    "mta_sources_suspended_total": "no source fails",
    "mta_source_warmup_": "no source warms up",
}
VARIABLES = {
    "$__rate_interval": "10s", "$instance": ".*", "$role": ".*", "$site": "d1.example.test", "$class": "transactional",
}  # fmt: skip


def queries() -> list[tuple[str, str, str]]:
    """Return every query as (dashboard, panel, expression)."""
    return [
        (name, panel["title"], target["expr"])
        for name, board in BOARDS.items()
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def test_dashboards_are_whole() -> None:
    assert set(BOARDS) == {"overview", "site", "class", "engine"}
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for name, board in BOARDS.items():
        variables = {one["name"] for one in board["templating"]["list"]}
        assert {"datasource", "instance"} <= variables
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids)), name
        for panel in board["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, (name, panel["title"])
        used = set(re.findall(r"\$(\w+)", json.dumps([panel.get("targets") for panel in board["panels"]])))
        assert used - {"datasource", "__rate_interval"} <= variables


def test_no_metric_is_without_a_graph() -> None:
    shown = " ".join(expression for _, _, expression in queries())
    rules = (ROOT / "config/prometheus/rules.yml").read_text()
    missing = [metric.name for metric in METRICS if PREFIX + metric.name not in shown + rules]
    assert not missing
    for word in re.findall(r"\bmta_[a-z0-9_]+", shown):
        name = re.sub(r"_(bucket|sum|count)$", "", word.removeprefix(PREFIX))
        assert name in BY_NAME or word == "mta_build_info" or word.startswith("mta_site"), word


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def may_be_empty(expression: str) -> bool:
    return any(name in expression for name in MAY_BE_EMPTY)


class Asked:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1/query?"

    def __call__(self, expression: str) -> list[Any]:
        """Return the result of an instant query; raise ValueError when it does not parse."""
        address = self.url + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                return list(json.load(reply)["data"]["result"])
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{expression}: {error.read().decode()}") from None


def load(rig: Rig, stop: threading.Event) -> None:
    """Keep every part of the engine at work until told to stop."""

    def visit() -> None:
        urllib.request.urlopen(f"http://127.0.0.1:{rig.web_port}/healthz", timeout=5).close()

    async def work() -> None:
        redis = connect(rig.redis_url)

        async def add(stream: str, kind: str, key: str, document: dict[str, Any]) -> None:
            fields = {"v": "1", "kind": kind, "tenant": "t0", "key": key, "data": json.dumps(document)}
            await redis.xadd(f"mta:submit:{stream}", fields)

        order = {"op": "suppress", "addresses": ["gone@d1.example.test"], "reason": "asked", "by": "test"}
        await add("control", "control", "s", order)
        number = 0
        while not stop.is_set():
            number += 1
            for stream in ("urgent", "transactional"):
                people = [f"p{number}.{n}@d{n % 3}.example.test" for n in range(20)] + [
                    "gone@d1.example.test"
                ]
                mail = {"from": "a@t0.example", "to": people, "subject": "x", "text": "hi"}
                await add(stream, "message", f"{stream}{number}", mail)
            name = f"c{number}"
            document = {"id": name, "from": "n@t0.example", "list": "l", "subject": "x", "text": "hi"}
            await add("bulk", "campaign", f"{name}.c", document)
            rows = [[f"q{number}.{n}@d{n % 3}.example.test"] for n in range(50)]
            entry = {"campaign": name, "columns": ["email"], "rows": rows, "last": True}
            await add("bulk", "recipients", f"{name}.r", entry)
            await add("bulk", "campaign", f"bad{number}", {"id": "no"})
            await asyncio.to_thread(visit)
            await asyncio.sleep(0.3)
        await redis.aclose()

    asyncio.run(work())


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    assert PROMETHEUS
    folder = tmp_path_factory.mktemp("prometheus")
    rig = Rig(Setup(tenants=1, receiver="sink", settings={"limits": {"rate": "100/s"}}))
    shares = (
        "--temp-share",
        "0.1",
        "--perm-share",
        "0.1",
        "--bounce-share",
        "0.1",
        "--bounce-after-s",
        "0.1",
    )
    rig.setup = replace(rig.setup, sink=(*shares, "--bounce-to", f"127.0.0.1:{rig.inbound_port}"))
    stop = threading.Event()
    loading = threading.Thread(target=load, args=(rig, stop))
    with rig:
        rig.start_engine()
        port = free_port()
        rules = (ROOT / "config/prometheus/rules.yml").read_text().replace("interval: 15s", "interval: 1s")
        (folder / "rules.yml").write_text(rules)
        config = (ROOT / "config/prometheus/prometheus.yml").read_text()
        config = config.replace("15s", "500ms").replace("127.0.0.1:9025", f"127.0.0.1:{rig.metrics_port}")
        (folder / "prometheus.yml").write_text(config.replace("  - alerts.yml\n", ""))
        words = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        words += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
        server = subprocess.Popen([PROMETHEUS, *words], stdin=subprocess.DEVNULL)
        loading.start()
        try:
            until_open(port)
            yield Asked(port)
        finally:
            stop.set()
            loading.join()
            server.terminate()
            server.wait(20)


def until_open(port: int) -> None:
    """Wait until Prometheus says that it is ready."""
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < ends, "Prometheus does not start"
            time.sleep(0.1)


@pytest.mark.system
@pytest.mark.timeout(120)
@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian package prometheus)")
def test_every_query_has_an_answer(asked: Asked) -> None:
    for _, _, expression in queries():
        asked(filled(expression))  # parses, whatever it finds
    wanted = {one for one in queries() if not may_be_empty(one[2])}
    ends = time.monotonic() + WAIT_SECONDS
    while wanted and time.monotonic() < ends:
        wanted = {one for one in wanted if not asked(filled(one[2]))}
        time.sleep(0.5)
    assert not sorted(wanted)
