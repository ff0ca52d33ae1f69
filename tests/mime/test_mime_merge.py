"""Merge syntax, and the escapes that each place of a merge field asks for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.mime.compile import compile
from mta.mime.compiled import Compiled
from mta.mime.document import ContentError, Document, Person, Urls
from mta.mime.merge import MARK, Field, Names, split

EVIL = "a\"b'c<d>e&f=g`h i/j?k#l%m"
ENTITIES = "a&quot;b&#x27;c&lt;d&gt;e&amp;f=g`h i/j?k#l%m"
UNQUOTED = "a&quot;b&#x27;c&lt;d&gt;e&amp;f&#61;g&#96;h&#32;i/j?k#l%m"
PERCENT = "a%22b%27c%3Cd%3Ee%26f%3Dg%60h%20i%2Fj%3Fk%23l%25m"


def compiled_html(html: str) -> Compiled:
    return compile(Document("a@a.example", "s", None, html))


def merged(html: str, *values: str, urls: Urls | None = None) -> str:
    found = compiled_html(html).html(Person("bo+1@b.example", "Bo & Co", values), urls or Urls())
    assert found is not None
    return found.removesuffix("\r\n")


def test_fields_stand_in_order_of_first_appearance() -> None:
    compiled = compile(
        Document(
            "a@a.example",
            "{{b}} {{name}} {{email}}",
            "{{d|x}} {{a}} {{unsubscribe_url}} {{ e | }}",
            "{{{c}}} {{view_url}} {{d|y}} {{e|z}} {{ f.g-h_1 }}",
            headers={"X-A": "{{a|}}"},
        )
    )
    assert compiled.fields == (
        *(Field("b", None), Field("a", None), Field("d", "x"), Field("e", ""), Field("c", None)),
        Field("f.g-h_1", None),
    )
    assert compiled.header_fields == {"b", "a", "name", "email"}


@pytest.mark.parametrize(
    ("text", "skeleton"),
    [
        ("a {{b}} c", "a \0 c"),
        ("{{{b}}}", "\0"),
        ("{{b|c}d}}", "\0"),
        ("{{{b|c}}d}}}", "\0"),
        ("{{b}}}", "\0}"),
        ("{ {b} }} } }}", "{ {b} }} } }}"),
        ("{" + "{b}}", "\0"),
        ("{{b}}{{b}}", "\0\0"),
    ],
)
def test_syntax(text: str, skeleton: str) -> None:
    assert split(text, "text", Names())[0] == skeleton


@pytest.mark.parametrize(
    "text", ["{{", "a {{b", "{{b}", "{{{b}}", "{{}}", "{{ }}", "{{|x}}", "{{1a}}", "{{a b}}", "{{é}}", "{{{{a}}}}",
             "{{" + "a" * 65 + "}}", "{{a\n}}", "{{#if}}", "{{a.b!}}"],
)  # fmt: skip
@pytest.mark.parametrize("part", ["subject", "text", "html", "headers.X-Foo"])
def test_malformed_syntax_names_the_part(part: str, text: str) -> None:
    members = {"subject": "s", "text": "t", "html": None, "headers": {}}
    members.update({"headers": {"X-Foo": text}} if part.startswith("h") and part != "html" else {part: text})
    with pytest.raises(ContentError) as caught:
        compile(Document("a@a.example", **members))  # type: ignore[arg-type]
    assert caught.value.field == part
    if "\n" not in text or part in ("text", "html"):
        assert "close the merge field" in str(caught.value) or "write it like {{first_name}}" in str(
            caught.value
        )


def test_too_many_fields_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mta.mime.merge.MAX_FIELDS", 2)
    assert len(compiled_html("{{a}}{{b}}{{a}}").fields) == 2
    with pytest.raises(ContentError, match="more than 2 different merge fields"):
        compiled_html("{{a}}{{b}}{{c}}")


def test_an_empty_value_takes_the_default_of_its_place() -> None:
    assert merged("{{a|one}} {{a|two}} {{a|}}.", "") == "one two ."
    assert merged("{{a|one}} {{a|two}} {{a|}}.", "x") == "x x x."
    assert merged("{{a}}.", "") == "."
    assert merged("{{a|<b> & co}}", "") == "&lt;b&gt; &amp; co"
    assert merged("{{{a|<b> & co}}}", "") == "<b> & co"


def test_built_ins() -> None:
    urls = Urls(unsubscribe="https://t.example/u/1?a&b", view="https://t.example/v/1")
    assert merged("{{email}} {{name}} {{{name}}} {{name|x}}", urls=urls) == (
        "bo+1@b.example Bo &amp; Co Bo & Co Bo &amp; Co"
    )
    assert merged('<a href="{{unsubscribe_url}}">{{view_url}}', urls=urls) == (
        '<a href="https://t.example/u/1?a&amp;b">https://t.example/v/1'
    )
    assert merged('<a href="{{unsubscribe_url|https://a.example/}}">') == '<a href="https://a.example/">'


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>{{v}}</p>", f"<p>{ENTITIES}</p>"),
        ("{{{v}}}", EVIL),
        ('<p title="{{v}}">', f'<p title="{ENTITIES}">'),
        ("<p title='{{v}}'>", f"<p title='{ENTITIES}'>"),
        ("<p title={{v}}>", f"<p title={UNQUOTED}>"),
        ("<p {{v}}>", f"<p {UNQUOTED}>"),
        ("<p {{v}}", f"<p {UNQUOTED}"),
        ('<p {{{v}}}="">', f'<p {EVIL}="">'),
        ('<img src="https://a.example/{{v}}.png">', f'<img src="https://a.example/{PERCENT}.png">'),
        ("<a href='/?q={{v}}'>", f"<a href='/?q={PERCENT}'>"),
        ("<a href=https://a.example/{{v}}>", f"<a href=https://a.example/{PERCENT}>"),
        ('<td background="https://a.example/{{v}}">', f'<td background="https://a.example/{PERCENT}">'),
        ('<a href="mailto:a@a.example?subject={{v}}">', f'<a href="mailto:a@a.example?subject={PERCENT}">'),
        ('<a href="https://a.example/{{{v}}}">',
         '<a href="https://a.example/a%22b&#x27;c%3Cd%3Ee&amp;f=g%60h%20i/j?k#l%m">'),
        ('<p style="background:url({{v}})">', f'<p style="background:url({ENTITIES})">'),
        ("<title>{{v}}</title>", f"<title>{ENTITIES}</title>"),
        ("<style>{{v}}</style>", f"<style>{ENTITIES}</style>"),
        ("<!-- {{v}} -->", f"<!-- {ENTITIES} -->"),
        ('<!--[if mso]><v:rect href="https://a.example/{{v}}"><![endif]-->',
         f'<!--[if mso]><v:rect href="https://a.example/{PERCENT}"><![endif]-->'),
        ('<script>{"a": "{{v}}"}</script>{{v}}',
         '<script>{"a": "a\\"b\\u0027c\\u003cd\\u003ee\\u0026f=g`h i/j?k#l%m"}</script>' + ENTITIES),
        ('<a title="{{v|"x" >}}" href="https://a.example/">', f'<a title="{ENTITIES}" href="https://a.example/">'),
    ],
)  # fmt: skip
def test_escapes(html: str, expected: str) -> None:
    assert merged(html, EVIL) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://a.example/?a=1&b=2", "https://a.example/?a=1&amp;b=2"),
        (" http://a.example/ ", "http://a.example/"),
        ("/relative?a=b:c", "/relative?a=b:c"),
        ("mailto:a@a.example", "mailto:a@a.example"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ('x"><script>', "x&quot;&gt;&lt;script&gt;"),
        ("", ""),
        ("javascript:alert(1)", "#"),
        ("JavaScript:alert(1)", "#"),
        (" java\tscript:alert(1)", "#"),
        ("\njava\nscript:alert(1)", "#"),
        ("vbscript:x", "#"),
        ("data:text/html,<script>", "#"),
        ("unknown:x", "#"),
    ],
)
@pytest.mark.parametrize("braces", ["{{v}}", "{{{v}}}"])
def test_a_value_that_is_a_whole_url(braces: str, value: str, expected: str) -> None:
    assert merged(f'<a href="{braces}/p">', value) == f'<a href="{expected}/p">'
    assert merged(f'<img src=" {braces}">', value) == f'<img src=" {expected}">'


def test_a_whole_url_without_quotes_stays_in_its_attribute() -> None:
    assert (
        merged("<a href={{v}}>", "https://a.example/ onclick=x")
        == "<a href=https://a.example/&#32;onclick&#61;x>"
    )


def test_as_is_html_goes_through() -> None:
    assert merged("<p>{{{v}}}</p>", "<b>x</b>\ny") == "<p><b>x</b>\r\ny</p>"


@pytest.mark.parametrize("place", ["{{v}}", '<a href="https://a.example/{{v}}">', '<a href="{{v}}">', "<b {{v}}>",
                                   "<script>{{v}}</script>", "{{{v}}}", '<i src="/{{{v}}}">'])  # fmt: skip
@pytest.mark.parametrize("bad", ["\0", "\x0b", "\x0c", "\x1b", "\x7f", "\ud800"])
def test_no_place_takes_a_control_character(place: str, bad: str) -> None:
    compiled = compiled_html(place)
    with pytest.raises(ContentError) as caught:
        compiled.render(Person("b@b.example", "", [f"a{bad}b"]), Urls(), "now", "1@a.example")
    assert caught.value.field == "v"
    assert compiled.first_bad_value([f"a{bad}b"]) == ("v", caught.value.why)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}|ab \n-", max_size=30))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        skeleton, marks = split(text, "text", Names())
    except ContentError:
        skeleton, marks = "", []
        assert "{{" in text
    assert skeleton.count(MARK) == len(marks)
    assert "{{" not in skeleton
