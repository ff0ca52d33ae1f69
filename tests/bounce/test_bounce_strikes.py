"""When several failures make an address one that gets no more mail."""

import pytest

from mta.bounce.strikes import DAY_MS, KEPT_MS, MAX_KEPT, Strike, add, is_out

T = 1_779_840_000_000


def days(cls: str, *when: float) -> list[Strike]:
    return [(cls, f"c{number}", T + int(day * DAY_MS)) for number, day in enumerate(when)]


@pytest.mark.parametrize(
    "cls, when, out",
    [
        ("recipient_disabled", (0,), False),
        ("recipient_disabled", (0, 6.9), False),
        ("recipient_disabled", (0, 7), True),
        ("recipient_unknown", (0, 7), True),
        ("domain_invalid", (0, 1, 2), False),
        ("domain_invalid", (0, 1, 3), True),
        ("mailbox_full", (0, 7), False),
        ("mailbox_full", (0, 7, 14), True),
        ("policy", (0, 10, 20, 30), False),
        ("policy", (0, 5, 10, 20, 30), True),
        ("network", (0, 1, 2), False),
        ("network", (0, 1, 14), True),
        *((cls, tuple(range(0, 90, 3)), False) for cls in ("spam_content", "reputation", "auth", "rate_limited")),
        *((cls, tuple(range(0, 90, 3)), False) for cls in ("greylisted", "message_rejected", "unknown", "")),
    ],
)  # fmt: skip
def test_terms(cls: str, when: tuple[float, ...], out: bool) -> None:
    assert is_out(days(cls, *when), cls) is out


def test_classes_are_counted_apart() -> None:
    strikes = days("recipient_disabled", 0) + days("mailbox_full", 8)
    assert not is_out(strikes, "recipient_disabled")
    assert not is_out(strikes, "mailbox_full")


def test_a_domain_that_takes_no_mail_is_out_at_once() -> None:
    assert is_out(days("domain_invalid", 0), "domain_invalid", "5.1.10")
    assert not is_out(days("domain_invalid", 0), "domain_invalid", "5.1.2")


def test_the_same_failure_counts_once_and_old_ones_not_at_all() -> None:
    first = ("mailbox_full", "spring", T)
    assert add([first], ("mailbox_full", "spring", T + DAY_MS)) == [first]
    assert add([first], ("policy", "spring", T + DAY_MS)) == [first, ("policy", "spring", T + DAY_MS)]
    assert add([first], ("mailbox_full", "autumn", T + KEPT_MS)) == [("mailbox_full", "autumn", T + KEPT_MS)]


def test_what_is_remembered_is_bounded() -> None:
    strikes: list[Strike] = []
    for number in range(100):
        strikes = add(strikes, ("policy", f"c{number}", T + number))
    assert len(strikes) == MAX_KEPT
    assert strikes[-1][1] == "c99"
