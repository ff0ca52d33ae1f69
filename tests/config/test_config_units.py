"""Times, sizes and rates as people write them."""

import pytest

from mta.config.units import address, duration, host_and_port, rate, size


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("5m", 300),
        ("5min", 300),
        ("2h", 7200),
        ("7d", 604800),
        ("1.5 h", 5400),
        (3, 3),
        ("4", 4),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text, count", [("1GB", 1 << 30), ("32MB", 32 << 20), ("64kb", 65536), ("10", 10), (7, 7)]
)
def test_sizes(text: object, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize(
    "text, per_second",
    [("100/min", 100 / 60), ("20/s", 20), ("3600/h", 1), ("86400/day", 1), ("0", 0), (2.5, 2.5)],
)
def test_rates(text: object, per_second: float) -> None:
    assert rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("read", [duration, size, rate])
@pytest.mark.parametrize("text", ["", "-1", "s", "1 week", "1/", "1e3", None, True, [], "0x10", "١"])
def test_what_is_no_number_is_refused(read, text: object) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        read(text)


def test_addresses() -> None:
    assert host_and_port("127.0.0.1:25") == ("127.0.0.1", 25)
    assert host_and_port("[::1]:25") == ("::1", 25)
    assert address("") == ""
    for wrong in ("25", "localhost:25", "127.0.0.1", "127.0.0.1:99999", "1.2.3.4:x", 25):
        with pytest.raises(ValueError):
            address(wrong)
