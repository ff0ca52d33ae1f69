"""The bench of rendering measures what it says: everybody's message is another one, and all of it is made."""

import json

import pytest
from click.testing import CliRunner

from bench import content
from bench.documents import Domains, person
from mta.dkim import selection
from mta.mime.compile import compile as compile_document


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "SERIES", 2)
    monkeypatch.setattr(content, "QUICK_MESSAGES", 3)


def test_the_document_of_a_quick_run_has_every_figure(few: None) -> None:
    result = CliRunner().invoke(content.main, ["--quick", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["bench"], document["schema"], document["messages"]) == ("content", content.SCHEMA, 3)
    assert [case["links"] for case in document["cases"]] == [10, 40, 10, 10]
    assert [case.get("bound_us") for case in document["cases"]] == [60.0, 120.0, None, None]
    for case in document["cases"]:
        assert case["octets"] > 10_000
        figures = [
            case["message_us"],
            case["compile_us"],
            case["header_canonical_us"],
            *case["of_it"].values(),
        ]
        assert len(figures) == 6
        assert all(0 < figure["best"] <= figure["median"] for figure in figures)
    lines = CliRunner().invoke(content.main, ["--quick"]).stdout.splitlines()
    assert len(lines) == 4


def test_every_message_is_another_one_in_body_header_and_tokens() -> None:
    maker = content.Maker(compile_document(content.document_of(12_000, 10)))
    domains = Domains(50)
    made = [maker.message(number, person(number, domains)) for number in range(50)]
    for name in (b"To:", b"Subject:", b"Message-ID:", b"List-Unsubscribe:"):
        fields = {field for one in made for field in one.fields if field.startswith(name)}
        assert len(fields) == (50 if name != b"Subject:" else len(fields)), name
        assert len(fields) > 1, name
    assert len({b"".join(one.body) for one in made}) == 50


def test_headers_are_measured_over_everybodys_own_fields(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def select(fields: list[bytes]) -> selection.Selected:
        seen.append(selection.select(fields).data)
        return selection.select(fields)

    monkeypatch.setattr(content, "select", select)
    domains = Domains(50)
    people = [person(number, domains) for number in range(6)]
    content.measure("x", content.document_of(12_000, 10), people, 3)
    assert len(seen) == len(set(seen)) == 6
