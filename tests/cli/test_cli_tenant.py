"""`mta tenant`: a document through the control stream and back."""

import json
from pathlib import Path

import pytest

from mta.cli import answers

ACME = {"id": "acme", "from_domains": ["acme.example"], "rate": "100/s", "review": True}


def test_what_is_set_is_listed_and_shown(mta, engine, tmp_path: Path) -> None:
    path = tmp_path / "acme.json"
    path.write_text(json.dumps(ACME))
    assert mta("tenant", "set", path).stdout == "tenant acme is set\n"
    shown = json.loads(mta("tenant", "show", "acme", "--json").stdout)
    assert (shown["from_domains"], shown["rate"], shown["review"]) == (["acme.example"], 100.0, True)
    assert "acme.example" in mta("tenant", "show", "acme").stdout
    assert list(json.loads(mta("tenant", "list", "--json").stdout)) == ["acme"]
    assert "acme.example" in mta("tenant", "list").stdout


def test_setting_it_back_to_what_it_was_is_no_repeat(mta, engine, tmp_path: Path) -> None:
    path = tmp_path / "acme.json"
    for weight in (1, 2, 1):
        path.write_text(json.dumps(ACME | {"weight": weight}))
        mta("tenant", "set", path)
        assert json.loads(mta("tenant", "show", "acme", "--json").stdout)["weight"] == weight


def test_a_refusal_is_told_with_its_reason(mta, engine, tmp_path: Path) -> None:
    path = tmp_path / "acme.json"
    path.write_text(json.dumps(ACME | {"wieght": 2}))
    result = mta("tenant", "set", path, code=65)
    assert result.stdout == ""
    assert "unknown_member" in result.stderr
    assert "weight" in result.stderr


@pytest.mark.parametrize(
    "text, code, says",
    [
        (None, 66, "No such file"),
        ("{", 65, "is not JSON"),
        ("[]", 65, "no JSON object"),
        ("{}", 65, "`id` is missing"),
    ],
)
def test_a_wrong_file_is_named(mta, tmp_path: Path, text: str | None, code: int, says: str) -> None:
    path = tmp_path / "acme.json"
    if text is not None:
        path.write_text(text)
    result = mta("tenant", "set", path, code=code)
    assert str(path) in result.stderr
    assert says in result.stderr


def test_an_unknown_tenant_is_66(mta) -> None:
    assert "mta tenant list" in mta("tenant", "show", "nobody", code=66).stderr
    assert mta("tenant", "list", "--json").stdout == "{}\n"


def test_without_an_engine_it_says_that_nobody_answers(
    mta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis
) -> None:
    monkeypatch.setattr(answers.Answers.of, "__defaults__", (0.05,))
    path = tmp_path / "acme.json"
    path.write_text(json.dumps(ACME))
    assert "nobody answered within 0.05 s; no engine ever ran" in mta("tenant", "set", path, code=69).stderr
    assert redis("XLEN", "mta:submit:control") == 1
