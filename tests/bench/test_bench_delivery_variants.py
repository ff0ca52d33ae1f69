"""The variants of the delivery bench reach the engine and the receiver: what each is named for really happens."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from click.testing import CliRunner

from bench import delivery
from bench.delivery import VARIANTS, Options

SMALL = {"messages": 200, "suppressions": 100, "tenants": 2, "domains": 5}


def run(variant: str) -> dict[str, Any]:
    """Run a variant with few messages, in an engine of its own."""
    document = delivery.run_once(Options(**{**SMALL, **VARIANTS[variant], "variant": variant}), half=False)
    # The unit of cost drifts on a machine that is busy with tests; nothing is quoted from here.
    assert [fault for fault in document["faults"] if "RSA" not in fault] == []
    return document


@pytest.mark.timeout(120)
def test_tls_is_on_for_every_connection() -> None:
    receiver = run("tls")["receiver"]
    assert receiver["connections_tls"] == receiver["connections_total"] > 0


@pytest.mark.timeout(120)
def test_refused_ones_come_again_and_bodies_have_their_size() -> None:
    document = run("refusals")
    assert document["receiver"]["messages"] == SMALL["messages"]
    large = run("100k")
    assert 90_000 < large["receiver"]["octets"] / large["receiver"]["messages"] < 115_000
    assert large["megabytes_per_second"] > 0


def test_a_variant_is_what_the_options_say(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []

    def once(options: Options, *, half: bool) -> dict[str, Any]:
        seen.append(options)
        return {"options": asdict(options), "half": half}

    monkeypatch.setattr(delivery, "run_once", once)
    for variant in VARIANTS:
        result = CliRunner().invoke(
            delivery.main, ["--quick", "--variant", variant, "--workers", "2", "--json"]
        )
        assert result.exit_code == 0, result.output
        options = json.loads(result.stdout)["options"]
        assert (options["variant"], options["workers"], options["messages"]) == (variant, 2, 5_000)
        assert options["receiver"] == ("smtp-sink" if variant == "alone" else "sink")
    assert seen[0].settings == {"limits": {"connections": 10}, "workers": {"sessions": 500}}
