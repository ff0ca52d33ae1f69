"""Real shapes of mail HTML: nothing changes but the links we mean, and no text is too odd to be read."""

import re
from html.parser import HTMLParser

import pytest
from html_shapes import SHAPES, A
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.mime.compile import compile
from mta.mime.document import Document, Person, Urls
from mta.mime.html import scan
from mta.mime.merge import MARK

CLICK = "https://t.example/c/T"
BEACON = re.compile(r'<img src="https://t\.example/o/T\.gif"[^>]*>')


def page(html: str, urls: Urls) -> str:
    found = compile(Document("a@a.example", "s", None, html)).html(Person("b@b.example"), urls)
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "html", "targets"), SHAPES, ids=[shape[0] for shape in SHAPES])
def test_shape(name: str, html: str, targets: list[str]) -> None:
    person = Person("b@b.example")
    compiled = compile(Document("a@a.example", "s", None, html))
    assert [compiled.link(i, person) for i in range(len(compiled.links))] == targets
    # Off: byte for byte as it was.
    assert page(html, Urls()) == html + "\r\n"
    # On: the same but for the targets, which are all ours now.
    tracked = page(html, Urls(click=CLICK))
    found = scan(html).targets
    ours = iter(range(len(targets)))
    expected, at = "", 0
    for target in found:
        link = re.search(rf"{re.escape(CLICK)}/(\d+)", tracked[len(expected) + target.start - at :])
        expected += html[at : target.start]
        quote = "" if target.quoted else '"'
        if link and tracked.startswith(f"{quote}{CLICK}/", len(expected)):
            expected += f"{quote}{CLICK}/{next(ours)}{quote}"
        else:
            expected += html[target.start : target.end]
        at = target.end
    assert tracked == expected + html[at:] + "\r\n"
    assert next(ours, None) is None
    # The beacon comes in one piece and changes nothing else.
    opened = page(html, Urls(open="https://t.example/o/T.gif"))
    assert len(BEACON.findall(opened)) == 1
    assert BEACON.sub("", opened) == html + "\r\n"


class _Hrefs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "area") and (href := dict(reversed(attrs)).get("href")):
            self.found.append(href)


@pytest.mark.parametrize(
    "name", ["plain", "no quotes", "entities", "nested tables", "conditional comment", "comment"]
)
def test_a_real_parser_sees_the_click_url(name: str) -> None:
    html, targets = next((html, targets) for other, html, targets in SHAPES if other == name)
    parser = _Hrefs()
    parser.feed(page(html, Urls(click=CLICK + "?a&b")))
    assert parser.found == [f"{CLICK}?a&b/{i}" for i in range(len(targets))]


@pytest.mark.parametrize(
    ("html", "before"),
    [
        ("<body>x</body></html>", "</body></html>"),
        ("<body>x</BODY >", "</BODY >"),
        ("<body>x", ""),
        ("x</body>y</body>z", "</body>z"),
        ("x</body><!-- </body> -->", "</body><!-- </body> -->"),
        ("x</body><script>'</body>'</script>", "</body><script>'</body>'</script>"),
        ("x<!--[if mso]></body><![endif]-->", ""),
        ('x</body><p title="</body>">', '</body><p title="</body>">'),
        ('x<a href="https://a.ex', '<a href="https://a.ex'),
        ("x<!-- y", "<!-- y"),
        ("x<style>y", "<style>y"),
        ("x</bodyguard>", ""),
    ],
)
def test_the_beacon_stands_before_the_last_end_of_body(html: str, before: str) -> None:
    opened = page(html, Urls(open="https://t.example/o/T.gif"))
    beacon = BEACON.search(opened)
    assert beacon
    assert opened[beacon.end() :] == before + "\r\n"


def test_the_beacon_is_escaped_and_has_no_size() -> None:
    assert page("x", Urls(open="https://t.example/o?a=1&b=2")) == (
        'x<img src="https://t.example/o?a=1&amp;b=2" width="1" height="1" alt="" '
        'style="border:0;width:1px;height:1px">\r\n'
    )


def test_links_over_the_cap_keep_their_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mta.mime.items.MAX_LINKS", 2)
    html = "".join(f'<a href="https://a.example/{n}">' for n in range(3))
    assert (
        page(html, Urls(click=CLICK))
        == f'<a href="{CLICK}/0"><a href="{CLICK}/1"><a href="https://a.example/2">\r\n'
    )


def test_a_document_that_is_not_tracked_has_no_links() -> None:
    document = Document(
        "a@a.example", "s", None, f'<a href="{A}">x</a>', track_clicks=False, track_opens=False
    )
    compiled = compile(document)
    assert compiled.links == ()
    assert (
        compiled.html(Person("b@b.example"), Urls("https://o.example", CLICK)) == f'<a href="{A}">x</a>\r\n'
    )


pieces = st.lists(
    st.sampled_from(
        [
            "<a",
            " href=",
            '"',
            "'",
            ">",
            "<",
            "https://a.b/",
            "<!--",
            "-->",
            "[if x]>",
            "<![endif]",
            "</body>",
            "<script>",
            "</script>",
            "<![CDATA[",
            "]]>",
            "<?",
            "=",
            "/",
            " ",
            "\n",
            "é",
            "{{v}}",
            "{{{v}}}",
            "<b ",
            "src=",
            "text",
            "&amp;",
        ]
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(pieces)
def test_any_text_is_taken_and_comes_back(drawn: list[str]) -> None:
    html = "".join(drawn)
    compiled = compile(Document("a@a.example", "s", "t", html, merge=False))
    person = Person("b@b.example")
    whole = re.sub(r"\n", "\r\n", html).rstrip("\r\n") + "\r\n"
    if html:
        assert compiled.html(person, Urls()) == whole
        opened = compiled.html(person, Urls(open="https://t.example/o/T.gif"))
        assert opened is not None
        assert BEACON.sub("", opened) == whole


@settings(max_examples=200, deadline=None)
@given(pieces)
def test_merge_fields_stand_anywhere(drawn: list[str]) -> None:
    html = "".join(drawn)
    compiled = compile(Document("a@a.example", "s", "t", html))
    person = Person("b@b.example", "", ["Bo"] * len(compiled.fields))
    merged = re.sub(r"\{\{\{?v\}\}\}?", "Bo", html)
    if html:
        assert compiled.html(person, Urls()) == re.sub(r"\n", "\r\n", merged).rstrip("\r\n") + "\r\n"


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<!--",
        "<!--[if a]>",
        "<![CDATA[",
        "<![CDATA[>",
        "<a ",
        "<a href=",
        '<a href="',
        "<a b='",
        "<script>",
        "<style>",
        "</",
        "<!",
        "<?",
        "<a =",
        "<a\n",
        "<a href=https://a.b/ ",
        "&",
        "&a",
        "<a href='&",
        "{{v}}",
        "<a href='{{v}}'>",
        "<a href='https://a.b/{{v}}'>",
        "</body>",
        "<!-->",
        "<title>",
        "\r",
        '<a href="https://a.b/">x',
        "{{{v|",
    ],
)
@pytest.mark.timeout(20)
def test_time_is_linear(unit: str) -> None:
    # Quadratic work over the longer text takes minutes, so it runs into the time limit.
    scan(unit.replace("{{v}}", MARK) * (1_500_000 // len(unit)))
    html = unit * (60_000 // len(unit))
    compiled = compile(Document("a@a.example", "s", None, html, merge="}}" in unit))
    person = Person("b@b.example", "", ["x"] * len(compiled.fields))
    assert compiled.html(person, Urls("https://o.example/", CLICK))
