"""`mta campaign check`: the faults of files, told with their cures, and an exit code for scripts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from mta.cli.campaign_check import campaign_check
from mta.cli.main import Program
from mta.dkim.generate import generate

HTML = (
    "<p>Hello {{first|you}}, our spring offers are here: boots, rakes and seeds, all at half the price.</p>"
    '<a href="https://acme.example/{{first|you}}">See them</a> <a href="{{unsubscribe_url}}">Unsubscribe</a>'
)
GOOD = {
    "id": "spring",
    "from": "Acme <news@acme.example>",
    "subject": "Spring, {{first|you}}",
    "text": "Hello {{first|you}}\nUnsubscribe: {{unsubscribe_url}}",
    "html": HTML,
}
Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs the command over a campaign made of the good one and `members`."""
    state = tmp_path / "state"
    keys = state / "dkim" / "acme.example"
    keys.mkdir(parents=True)
    (keys / "s1.pem").write_bytes(generate("ed25519"))
    config = tmp_path / "mta.toml"
    config.write_text(f'[paths]\nstate = "{state}"\n')
    program = Program(commands={"check": campaign_check})

    def run(*words: str, code: int = 0, **members: Any) -> Result:
        file = tmp_path / "campaign.json"
        file.write_text(json.dumps(GOOD | members))
        result = CliRunner().invoke(program, ["check", str(file), "-c", str(config), *words])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def people(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "people.csv"
        path.write_text(text)
        return str(path)

    return write


def codes(result: Result) -> list[str]:
    return [one["code"] for one in json.loads(result.stdout)["findings"]]


def test_a_good_campaign_has_nothing_to_say_and_its_size(check: Check, people: Any) -> None:
    told = json.loads(check("--json", "--recipients", people("email,first\nbo@example.org,Bo\n")).stdout)
    assert told["findings"] == []
    assert (told["ok"], told["errors"], told["people"], told["samples"]) == (True, 0, 1, 1)
    assert told["largest_message"] > told["largest_html"] > len(HTML)
    assert "errors 0, warnings 0; 1 rendered" in check().stdout


def test_faults_are_told_with_their_cures_errors_first(check: Check) -> None:
    out = check(
        code=65, subject="", text=None, html='<img src="x.png"><a href="www.acme.example">Go</a>'
    ).stdout
    lines = out.splitlines()
    assert lines[0] == "error: subject: The subject is empty."
    assert lines[1].startswith("    Write one")
    assert [line.split(":")[0] for line in lines[:-1:2]] == ["error"] * 4 + ["warning"] * 3
    assert lines[-1].endswith("octets")


def test_warnings_fail_only_where_they_are_asked_to(check: Check) -> None:
    members = {"text": "x {{unsubscribe_url}}", "from": "news@acme.example"}
    assert codes(check("--json", **members)) == ["from-name"]
    assert check("--strict", code=65, **members).stdout.startswith("warning: from: ")


def test_people_are_held_against_the_template(check: Check, people: Any) -> None:
    out = check(
        "--json", "--recipients", people("email,name\nbo@example.org,Bo\n"), code=65, subject="Hi {{fisrt}}"
    )
    assert codes(out) == ["field-unknown"]
    rows = "email,first,shop\nbo@example.org,Bo,https://a.example\nno address,x,y\nal@example.org,,\n"
    html = HTML + '<a href="{{shop}}">{{first}}</a>'
    out = check("--json", "--recipients", people(rows), code=65, html=html)
    found = {one["code"]: one["what"] for one in json.loads(out.stdout)["findings"]}
    assert set(found) == {"row-refused", "field-empty", "link-empty"}
    assert "1 of 3 rows would be refused; the first is row 2" in found["row-refused"]
    assert "1 of 3 people" in found["field-empty"]


def test_without_people_a_link_made_of_a_field_is_no_fault(check: Check) -> None:
    assert codes(check("--json", html=HTML + '<a href="{{shop}}">{{first|x}}</a>')) == []


def test_a_domain_without_a_key_is_an_error(check: Check, tmp_path: Path) -> None:
    out = check("--json", code=65, **{"from": "Other <a@other.example>"})
    assert codes(out) == ["dkim-missing"]
    (tmp_path / "state" / "dkim" / "acme.example" / "s0.pem").write_text("nonsense")
    out = check("--json", code=65)
    assert codes(out) == ["dkim-unusable"]


def test_a_tenants_document_says_which_domains_are_its_own(check: Check, tmp_path: Path) -> None:
    file = tmp_path / "tenant.json"
    tenant = {"id": "default", "from_domains": ["other.example"], "bounce_domain": "b.esp.example"}
    file.write_text(json.dumps(tenant | {"track_host": "t.esp.example", "classes": ["urgent"]}))
    out = check("--json", "--tenant-file", str(file), code=65)
    assert codes(out) == ["from-not-own", "class-not-own", "return-path-unaligned", "tracking-unaligned"]
    file.write_text(json.dumps(tenant | {"colour": "red"}))
    assert "colour" in check("--tenant-file", str(file), code=65).stderr


def test_a_large_page_is_clipped_though_it_would_not_fit_one_entry(check: Check) -> None:
    html = HTML + f"<p>{'word ' * 300_000}</p>"
    out = json.loads(check("--json", html=html).stdout)
    assert [one["code"] for one in out["findings"]] == ["html-clipped"]
    assert "spamresource.com" in out["findings"][0]["what"]
    assert out["largest_html"] > 1_500_000


@pytest.mark.parametrize(
    "words, members, code, says",
    [
        ((), {"colour": "red"}, 65, "colour"),
        ((), {"unsubscribe": False}, 65, "unsubscribe_required"),
        (("--class", "transactional"), {"unsubscribe": False, "html": None, "text": "x"}, 0, ""),
        ((), {"html": "{{first"}, 65, "close the merge field"),
        (("--recipients", "/nowhere.csv"), {}, 66, "/nowhere.csv"),
        (("--tenant", "acme"), {"tenant": "other"}, 65, "tenant"),
    ],
)
def test_what_the_engine_would_refuse_is_refused_in_its_words(
    check: Check, words: tuple[str, ...], members: dict[str, Any], code: int, says: str
) -> None:
    assert says in check(*words, code=code, **members).stderr


def test_a_file_that_is_not_there_is_66(tmp_path: Path) -> None:
    program: click.Group = Program(commands={"check": campaign_check})
    result = CliRunner().invoke(program, ["check", str(tmp_path / "none.json")])
    assert result.exit_code == 66
    assert "none.json" in result.stderr
