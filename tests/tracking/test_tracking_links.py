"""The addresses of the tracking service."""

from mta.tracking import links

BASE = "https://track.example.com"


def test_each_address() -> None:
    assert links.open_url(BASE, "tok") == "https://track.example.com/o/tok.gif"
    assert links.click_prefix(BASE, "tok") + "/7" == "https://track.example.com/c/tok/7"
    assert links.unsubscribe_url(BASE, "tok") == "https://track.example.com/u/tok"
    assert links.view_url(BASE, "tok") == "https://track.example.com/v/tok"
