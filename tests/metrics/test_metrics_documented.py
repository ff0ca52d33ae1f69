"""The catalogue, the code and docs/metrics.md name the same metrics."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from mta.metrics.catalogue import BY_NAME, METRICS, PREFIX

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/metrics.md").read_text()
ROW = re.compile(r"\| `mta_([a-z_]+)` \| (\w+) \| (.+?) \| (.+?) \| (.+?) \|")


@cache
def literals() -> frozenset[str]:
    """Return the strings written in the code outside the catalogue."""
    return frozenset(
        node.value
        for path in (ROOT / "mta").rglob("*.py")
        if path.parent.name != "metrics"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_page_lists_every_metric_as_the_catalogue_does() -> None:
    listed = {name: (kind, labels, text) for name, kind, labels, _, text in ROW.findall(PAGE)}
    assert set(listed) == set(BY_NAME)
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        assert listed[metric.name] == (metric.kind, labels, metric.help)


def test_every_label_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", PAGE.split("## Labels")[1].split("\n## ")[0], flags=re.M))
    plain = {
        "site",
        "pool",
        "reason",
        "event",
        "result",
        "tls",
        "route",
        "status",
        "file",
    }  # say what they are
    assert {label for metric in METRICS for label in metric.labels} <= explained | plain
    assert not explained & plain


def test_the_page_asks_for_nothing_that_is_not_there() -> None:
    recorded = set(re.findall(r"record: (\S+)", (ROOT / "config/prometheus/rules.yml").read_text()))
    for word in re.findall(r"\bmta[_:][a-z0-9_:]*[a-z0-9]", PAGE):
        name = re.sub(r"_(bucket|sum|count)$", "", word)
        known = {PREFIX + one for one in BY_NAME} | recorded | {"mta_build_info"}
        assert name in known or word in known, word


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_metric_has_a_writer(name: str) -> None:
    assert name in literals()
