"""The bench of the client says what each kind of session costs and what open ones hold; nothing is lost on the way."""

import json

import pytest
from click.testing import CliRunner

from bench import smtp


@pytest.mark.timeout(120)
def test_a_quick_run_has_every_figure() -> None:
    result = CliRunner().invoke(smtp.main, ["--quick", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["bench"], document["schema"], document["faults"]) == ("smtp", smtp.SCHEMA, [])
    assert set(document["cases"]) == set(smtp.CASES)
    for name, case in document["cases"].items():
        assert 0 < case["least_us"] <= case["us"] <= case["most_us"]
        assert case["tls"].startswith("TLSv1.3 ") == name.endswith("_tls")
    for held in document["memory"].values():
        assert held["sessions"] == 100
        assert held["rss_mb"] > held["before_mb"] > 0
    assert set(document["goals"]) == {"reused_us", "open_rss_mb", "open_tls_rss_mb"}
