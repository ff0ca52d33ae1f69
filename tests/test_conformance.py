"""The table of what the client is held to names tests that exist, and every story has its row."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLE: dict[str, dict[str, list[str]]] = tomllib.loads((TESTS / "conformance.toml").read_text())
ROWS = [pytest.param(tests, id=f"{of}: {says}") for of, rows in TABLE.items() for says, tests in rows.items()]


@cache
def names(file: str) -> frozenset[str]:
    """Return the tests of a file: functions, or titles of plays."""
    text = (TESTS / file).read_text()
    if file.endswith(".txt"):
        return frozenset(line.removeprefix("== ") for line in text.splitlines() if line.startswith("== "))
    nodes = ast.walk(ast.parse(text))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("tests", ROWS)
def test_each_row_has_tests_that_exist(tests: list[str]) -> None:
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name in names(file), f"{file} has no {name!r}"
        assert file.endswith(".txt") or name.startswith("test_")


def test_every_story_has_its_row() -> None:
    named = {test.partition("::")[0] for rows in TABLE.values() for tests in rows.values() for test in tests}
    stories = {f"scenarios/{path.name}" for path in (TESTS / "scenarios").glob("test_scenario_*.py")}
    assert stories - named == set()


def test_every_case_file_has_its_row() -> None:
    named = {test.partition("::")[0] for rows in TABLE.values() for tests in rows.values() for test in tests}
    cases = {f"smtp/cases/{path.name}" for path in (TESTS / "smtp" / "cases").glob("*.txt")}
    assert cases - named == set()
