"""Cures for names that nobody knows."""

from mta.nearest import LISTED, nearest, suggestion


def test_the_nearest_name_is_the_cure() -> None:
    assert nearest("adress", ["address", "addenda"]) == "address"
    assert suggestion("adress", ["address", "zebra"]) == "did you mean `address`?"


def test_without_one_that_is_near_all_are_named_but_not_endlessly() -> None:
    assert suggestion("qqq", ["b", "a"]) == "known here: a, b"
    assert suggestion("qqq", []) == "there is none"
    assert suggestion("qqq", [], "none in this file") == "none in this file"
    assert suggestion("qqq", [f"name{n:03}" for n in range(500)]).count(",") == LISTED - 1


def test_a_name_of_a_megabyte_takes_no_time_that_matters() -> None:
    assert nearest("address" + "x" * 1_000_000, ["address"]) in ("", "address")
