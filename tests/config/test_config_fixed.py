"""What a reload leaves as it was, and that docs/reload.md tells it."""

import re
from dataclasses import fields, replace
from pathlib import Path

from mta.config.fixed import FIXED, held, names
from mta.config.settings import Log, Metrics, Queue, Redis, Settings, Web

PAGE = (Path(__file__).parents[2] / "docs" / "reload.md").read_text()


def rows() -> dict[str, str]:
    """Return what the page says of each section."""
    found = {}
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            left, right = line.strip("| ").split(" | ")
            found |= dict.fromkeys(re.findall(r"`(\w+)`", left), right)
    return found


def test_every_section_is_in_the_table() -> None:
    assert set(rows()) == {one.name for one in fields(Settings)}


def test_the_table_names_what_stays() -> None:
    said = rows()
    for name in FIXED:
        section, _, key = name.partition(".")
        assert f"`{name}`" in said[section] if key else said[section].startswith("stays"), name
    for section, text in said.items():
        for name in re.findall(rf"`({section}\.\w+)`[^;]* stays?\b", text):
            assert name in FIXED or name in ("web.certificate", "workers.count"), name


def test_what_stays_exists() -> None:
    for name in names():
        section, _, key = name.partition(".")
        assert hasattr(getattr(Settings(), section), key)


def test_what_stays_is_held_and_all_else_changes() -> None:
    old = Settings()
    new = replace(
        old,
        redis=Redis(url="redis://other"),
        queue=Queue(shards=4, memory_stop=50),
        metrics=Metrics(listen="", sites=7),
        log=Log(level="debug", mail_log="none"),
    )
    kept, differ = held(old, new)
    assert differ == ["redis.url", "queue.shards", "metrics.listen", "log.mail_log"]
    assert kept == replace(old, queue=Queue(memory_stop=50), metrics=Metrics(sites=7), log=Log(level="debug"))
    assert held(old, old) == (old, [])


def test_a_listener_neither_begins_nor_ends_to_speak_tls() -> None:
    clear, secured, renewed = (
        replace(Settings(), web=Web(certificate=one)) for one in ("", "/a.pem", "/b.pem")
    )
    assert held(clear, secured) == (clear, ["web.certificate"])
    assert held(secured, clear) == (secured, ["web.certificate"])
    assert held(secured, renewed) == (renewed, [])
