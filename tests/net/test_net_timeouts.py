"""The defaults are what RFC 5321 4.5.3.2 asks for at the least, in the client and in the settings."""

from dataclasses import fields

import pytest

from mta.config import sending
from mta.net.terms import Timeouts

MINIMA = {  # section and seconds
    "greeting": ("4.5.3.2.1", 300.0),
    "mail": ("4.5.3.2.2", 300.0),
    "rcpt": ("4.5.3.2.3", 300.0),
    "data": ("4.5.3.2.4", 120.0),
    "body": ("4.5.3.2.5", 180.0),
    "dot": ("4.5.3.2.6", 600.0),
}


@pytest.mark.parametrize("name", MINIMA)
@pytest.mark.parametrize("defaults", [Timeouts(), sending.Timeouts()], ids=["client", "settings"])
def test_no_default_is_below_the_minimum(defaults: Timeouts | sending.Timeouts, name: str) -> None:
    section, least = MINIMA[name]
    assert getattr(defaults, name) >= least, f"RFC 5321 {section}"


def test_a_whole_transaction_may_last_longer_than_any_part() -> None:
    times = Timeouts()
    assert times.deadline > max(least for _, least in MINIMA.values())


def test_client_and_settings_have_the_same_ones() -> None:
    theirs = {field.name: getattr(sending.Timeouts(), field.name) for field in fields(sending.Timeouts)}
    assert theirs == {field.name: getattr(Timeouts(), field.name) for field in fields(Timeouts)}
