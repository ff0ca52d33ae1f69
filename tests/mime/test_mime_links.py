"""Where a tracked link leads, and which links are tracked at all."""

import pytest

from mta.mime.compile import compile
from mta.mime.compiled import Compiled
from mta.mime.document import Document, Person, Urls
from mta.mime.links import unescape_attribute

CLICK = "https://t.example/c/T"


def compiled(html: str) -> Compiled:
    return compile(Document("a@a.example", "s", None, html))


def person(*values: str) -> Person:
    return Person("bo+1@b.example", "Bo", values)


@pytest.mark.parametrize(
    ("href", "value", "target"),
    [
        (
            "https://a.example/{{v}}?e={{email}}",
            "a b&c/d",
            "https://a.example/a%20b%26c%2Fd?e=bo%2B1%40b.example",
        ),
        ("https://a.example/{{{v}}}", "a b&c/d?é", "https://a.example/a%20b&c/d?%C3%A9"),
        ("https://a.example/?a=1&amp;b={{v|x y}}", "", "https://a.example/?a=1&b=x%20y"),
        ("https://{{v}}/", "shop.example", "https://shop.example/"),
        ("{{v}}", "https://shop.example/?a=1&b=2", "https://shop.example/?a=1&b=2"),
        (" {{v}} ", " HTTP://shop.example\n", "HTTP://shop.example"),
        ("{{v}}/p?e={{email}}", "http://shop.example", "http://shop.example/p?e=bo%2B1%40b.example"),
        ("{{v|https://a.example/}}", "", "https://a.example/"),
    ],
)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_target(quote: str, href: str, value: str, target: str) -> None:
    made = compiled(f"<a href={quote}{href}{quote}>x</a>")
    assert made.link(0, person(value)) == target
    assert made.html(person(value), Urls(click=CLICK)) == f"<a href={quote}{CLICK}/0{quote}>x</a>\r\n"


@pytest.mark.parametrize(
    "value", ["", "mailto:a@b.example", "/p", "ftp://a.example/", "https:///p", "x", "https:/a.example"]
)
def test_a_value_that_is_no_web_address_is_left_in_place(value: str) -> None:
    made = compiled('<a href="{{v}}">x</a><a href=https://a.example>')
    html = made.html(person(value), Urls(click=CLICK))
    shown = "#" if value.startswith("ftp") else value
    assert html == f'<a href="{shown}">x</a><a href="{CLICK}/1">\r\n'
    rendered = made.render(person(value), Urls(click=CLICK), "now", "1@a.example")
    assert b"".join(rendered.body).replace(b"=\r\n", b"").replace(b"=3D", b"=").decode() == html
    with pytest.raises(LookupError, match="no http or https address"):
        made.link(0, person(value))


@pytest.mark.parametrize(
    "href",
    ["{{unsubscribe_url}}", "{{{view_url}}}", "https://a.example/?u={{unsubscribe_url}}", "{{v}}?u={{view_url}}",
     "{{email}}", "mailto:{{email}}", "tel:{{v}}", "#{{v}}", "/{{v}}", "{{name}}"],
)  # fmt: skip
def test_never_tracked(href: str) -> None:
    made = compiled(f'<a href="{href}">x</a>')
    assert made.links == ()
    assert CLICK not in str(made.html(person(*["v"] * len(made.fields)), Urls(click=CLICK)))


def test_unknown_links() -> None:
    made = compiled('<a href="https://a.example">x</a>')
    for i in (-1, 1, 10_000):
        with pytest.raises(LookupError, match=f"no link {i}"):
            made.link(i, person())


@pytest.mark.parametrize("length", [20, 60, 62, 63, 64, 68, 69, 70, 71, 75, 76, 77, 150, 300])
def test_click_prefixes_of_any_length(length: int) -> None:
    click = "https://t.example/c/" + "x=." * 200
    click = click[:length]
    made = compiled("<a href=https://a.example>x</a>\n" * 12 + '<a href="{{v}}">y')
    body = b"".join(made.render(person("https://b.example"), Urls(click=click), "now", "1@a.example").body)
    assert max(map(len, body.split(b"\r\n"))) <= 76
    decoded = body.replace(b"=\r\n", b"").replace(b"=3D", b"=").replace(b"=2E", b".").decode()
    assert (
        decoded
        == "".join(f'<a href="{click}/{n}">x</a>\r\n' for n in range(12)) + f'<a href="{click}/12">y\r\n'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a&amp;b", "a&b"),
        ("a&ampb", "a&ampb"),
        ("a&amp=b", "a&amp=b"),
        ("a&amp", "a&"),
        ("a&amp b", "a& b"),
        ("&copy;=1", "©=1"),
        ("&nosuch;", "&nosuch;"),
        ("&#38;&#x26;&#38", "&&&"),
        ("&#0;", "�"),
        ("&;&#;&&", "&;&#;&&"),
        ("&NotEqualTilde;", "≂̸"),
    ],
)
def test_references_in_attributes(value: str, expected: str) -> None:
    assert unescape_attribute(value) == expected
