"""The shipped rules and alerts: promtool accepts them, every alert fires and is quiet where it should."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mta.metrics.catalogue import BY_NAME, PREFIX

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "config/prometheus"
ALERTS = (FOLDER / "alerts.yml").read_text()
RULES = (FOLDER / "rules.yml").read_text()
TESTS = (Path(__file__).parent / "alerts.test.yml").read_text()
NAMES = re.findall(r"- alert: (\w+)", ALERTS)
PROMTOOL = shutil.which("promtool")

system = [
    pytest.mark.system,
    pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)"),
]


def promtool(*words: str) -> str:
    """Run promtool where the tests of rules lie; return what it says."""
    assert PROMTOOL
    done = subprocess.run(
        [PROMTOOL, *words], capture_output=True, text=True, check=False, timeout=50, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def slug(title: str) -> str:
    """Return the anchor that a heading has in rendered Markdown."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


class TestWithPromtool:
    pytestmark = system

    def test_the_configuration_and_its_rules_are_valid(self) -> None:
        assert "SUCCESS" in promtool("check", "config", str(FOLDER / "prometheus.yml"))

    def test_every_alert_fires_and_is_quiet_when_it_should(self) -> None:
        assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")


def test_every_alert_is_tested_both_ways() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 20
    for name in NAMES:
        assert f"- name: {name} fires\n" in TESTS
        assert f"- name: {name} is quiet\n" in TESTS


def test_every_alert_says_what_to_do() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    anchors = {slug(title) for title in re.findall(r"^#+ (.+)$", page, flags=re.M)}
    for block in ALERTS.split("- alert: ")[1:]:
        name = block.split("\n", 1)[0]
        leads = re.findall(r"runbook_url: docs/operations\.md#(\S+)", block)
        assert len(leads) == 1, name
        assert leads[0] in anchors, f"{name} leads to #{leads[0]}, which docs/operations.md does not have"
        for part in ("summary: ", "description: ", "severity: "):
            assert part in block, name


def test_rules_ask_for_metrics_that_are_there() -> None:
    recorded = set(re.findall(r"record: (\S+)", RULES))
    for text in (RULES, ALERTS):
        for word in re.findall(
            r"\bmta[_:][a-z0-9_:]+", re.sub(r"record: \S+|summary: .*|description: .*", "", text)
        ):
            name = re.sub(r"_(bucket|sum|count)$", "", word).removeprefix(PREFIX)
            assert word in recorded or name in BY_NAME, word
