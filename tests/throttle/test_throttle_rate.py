"""The grammar of rates."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.ingest import grammar
from mta.ingest.codes import Refused
from mta.throttle.rate import RateError, parse


@pytest.mark.parametrize(
    "text, per_second",
    [("10/s", 10.0), ("120/min", 2.0), ("7200/h", 2.0), ("86400/day", 1.0), ("9999999999/s", 9999999999.0)],
)
def test_a_rate_is_messages_in_a_time(text: str, per_second: float) -> None:
    rate = parse(text)
    assert rate.per_second == per_second
    assert rate.text == text


NO_RATES = [
    "",
    "10",
    "0/s",
    "-1/s",
    "1.5/s",
    "10/",
    "/s",
    "10/fortnight",
    "10/month",
    "99999999999/s",
    "\u0661/s",
]


@pytest.mark.parametrize("text", [*NO_RATES, "10/s\n"], ids=ascii)
def test_what_is_no_rate_is_told_the_form(text: str) -> None:
    with pytest.raises(RateError, match="above 0, / and s, min, h or day"):
        parse(text)


@pytest.mark.parametrize(
    "text, cure",
    [
        ("100/minute", "write 100/min"),
        ("100 / Minutes", "write 100/min"),
        ("100/m", "write 100/min"),
        ("5/sec", "write 5/s"),
        ("5/seconds", "write 5/s"),
        ("5/hour", "write 5/h"),
        ("5/hr", "write 5/h"),
        ("5/d", "write 5/day"),
        ("5/days", "write 5/day"),
    ],
)
def test_a_spelling_of_another_program_is_told_ours(text: str, cure: str) -> None:
    with pytest.raises(RateError) as caught:
        parse(text)
    assert str(caught.value) == cure


@given(st.text(alphabet="0159/smindayhr .-", max_size=8) | st.from_regex(r"[0-9]{1,12}/(s|min|h|day|d)"))
@settings(max_examples=200, deadline=None)
def test_documents_and_files_spell_rates_alike(text: str) -> None:
    try:
        wanted = grammar.rate(text, "rate").per_second
    except Refused:
        with pytest.raises(RateError):
            parse(text)
    else:
        assert parse(text).per_second == wanted
