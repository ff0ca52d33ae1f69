"""The fast renderer gives what the slow one gives, for any text and any value."""

from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_renderer import content, entities, lines, merged, plain, received, wire

from mta.mime.compile import compile
from mta.mime.document import Attachment, ContentError, Document, Person, Urls

DATE = "Tue, 01 Jul 2025 10:52:37 +0000"
URLS = Urls(
    open="https://t.acme.example/o/" + "a" * 45 + ".gif",
    click="https://t.acme.example/c/" + "b" * 45,
    unsubscribe="https://t.acme.example/u/" + "c" * 45,
    view="https://t.acme.example/v/" + "d" * 45,
)
NAMES = ("first", "x.y-z", "_c")

one_line = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=90)
anything = st.text(
    st.one_of(
        st.sampled_from("\n\t =.éЖ日😀<>&\"'"),
        st.characters(exclude_categories=("Cs", "Cc")),
        st.characters(min_codepoint=32, max_codepoint=126),
    ),
    max_size=200,
)
# Text that is neither markup nor merge syntax of its own.
literal = anything.map(lambda text: text.replace("<", "(").replace("{", "["))
field = st.sampled_from(
    [f"{{{{{name}}}}}" for name in NAMES] + ["{{ first | you & me }}", "{{{_c}}}", "{{email}}"]
)
template = st.lists(
    st.one_of(literal, field, st.just("\r\n"), st.just("\n.\n"), st.just("From ")), max_size=8
)


def document(**members: object) -> Document:
    return Document(**{"sender": "Acme <news@acme.example>", "subject": "s", **members})  # type: ignore[arg-type]


def render(document: Document, urls: Urls = URLS, person: Person | None = None):  # type: ignore[no-untyped-def]
    return compile(document).render(person or Person("bo@example.org", "Bo"), urls, DATE, "1@acme.example")


@settings(max_examples=200, deadline=None)
@given(template, template, st.lists(one_line, min_size=3, max_size=3), st.booleans(), st.booleans())
def test_text_and_html_are_what_plain_merging_gives(
    text: list[str], html: list[str], drawn: list[str], alone: bool, opens: bool
) -> None:
    texts, page = "t" + "".join(text), "<p>" + "".join(html)
    compiled = compile(document(text=texts, html=None if alone else page))
    values = dict(zip(NAMES, drawn, strict=True))
    person = Person("bo@example.org", "Bo", [values[field.name] for field in compiled.fields])
    message = received(compiled.render(person, URLS if opens else Urls(), DATE, "<1@acme.example>"))
    values["email"] = "bo@example.org"
    assert content(message, "plain") == lines(merged(texts, values, plain))
    if not alone:
        found = content(message, "html")
        assert found is not None
        if opens:
            beacon = found.index('<img src="https://t.acme.example/o/')
            found = lines(found[:beacon] + found[found.index(">", beacon) + 1 :])
        assert found == lines(merged(page, values, entities))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(one_line.map(lambda t: t.replace("{", "[")), field), max_size=6),
    st.lists(one_line, min_size=3, max_size=3),
)
def test_the_subject_is_what_plain_merging_gives(pieces: list[str], drawn: list[str]) -> None:
    subject = "".join(pieces)
    compiled = compile(document(subject=subject, text="x"))
    values = dict(zip(NAMES, drawn, strict=True))
    person = Person("bo@example.org", "", [values[field.name] for field in compiled.fields])
    message = received(compiled.render(person, Urls(), DATE, "1@acme.example"))
    expected = merged(subject, {**values, "email": "bo@example.org"}, plain)
    assert message["Subject"].strip(" ") == expected.strip(" ")


@settings(max_examples=150, deadline=None)
@given(one_line)
def test_any_display_name_is_read_back(name: str) -> None:
    rendered = render(document(text="x"), person=Person("bo@example.org", name))
    received(rendered)
    shown, address = parseaddr(rendered.fields[2].decode().removeprefix("To: ").replace("\r\n", ""))
    assert address == "bo@example.org"
    # The policy's own parser puts a space between two encoded words of a name; RFC 2047 section 6.2 has none.
    assert " ".join(str(make_header(decode_header(shown))).split()) == " ".join(name.split())


@settings(max_examples=60, deadline=None)
@given(anything)
def test_values_of_many_lines_keep_their_lines(value: str) -> None:
    compiled = compile(document(text="a {{v}}b {{v}}\n", html="<p>{{v}}</p>{{v}}"))
    message = received(compiled.render(Person("bo@example.org", "", [value]), Urls(), DATE, "1@acme.example"))
    assert content(message, "plain") == lines(f"a {value}b {value}")
    assert content(message, "html") == lines(f"<p>{entities(value)}</p>{entities(value)}")


@pytest.mark.parametrize(
    "value", ["", " ", "\n", "a\n\n\n", "a ", "a\t", ".", "=", "a\n \n", "x" * 75, "x" * 76, "é" * 40]
)
@pytest.mark.parametrize("text", ["{{v}}", "a {{v}}", "a\n{{v}}\n\n", "{{v}}{{v}}", "x" * 75 + " {{v}}"])
def test_a_body_that_ends_with_a_value_ends_in_one_line_end(text: str, value: str) -> None:
    rendered = compile(document(text=text)).render(
        Person("bo@example.org", "", [value]), Urls(), DATE, "1@a.example"
    )
    assert content(received(rendered), "plain") == lines(text.replace("{{v}}", value))


def test_shared_fields_are_the_same_objects_in_every_message() -> None:
    compiled = compile(document(text="x", html="<p>y", headers={"X-Order": "118"}))
    one, two = (
        compiled.render(Person(f"{n}@example.org"), URLS, DATE, f"{n}@acme.example").fields for n in range(2)
    )
    same = [a for a, b in zip(one, two, strict=True) if a is b]
    assert [field.split(b":")[0] for field in same] == [
        *(b"From", b"Subject", b"X-Order", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding")
    ]


def test_the_same_content_gives_the_same_bytes() -> None:
    made = {wire(render(document(text="x", html="<p>y"))) for _ in range(3)}
    assert len(made) == 1


@pytest.mark.parametrize(
    ("members", "shape"),
    [
        ({"text": "a"}, "plain"),
        ({}, "plain"),
        ({"html": "<p>a"}, "html"),
        ({"text": "a", "html": "<p>a"}, "alternative(plain html)"),
        ({"html": "<p>a", "attachments": ["file"]}, "mixed(html pdf)"),
        ({"html": "<p>a", "attachments": ["cid"]}, "related(html png)"),
        ({"text": "a", "attachments": ["cid"]}, "mixed(plain png)"),
        (
            {"text": "a", "html": "<p>a", "attachments": ["cid", "file", "file"]},
            "mixed(related(alternative(plain html) png) pdf pdf)",
        ),
    ],
)
def test_only_needed_levels(members: dict[str, object], shape: str) -> None:
    files = {
        "file": Attachment("a.pdf", "application/pdf", b"%PDF"),
        "cid": Attachment("l.png", "image/png", b"x", "l"),
    }
    members["attachments"] = [files[str(name)] for name in members.get("attachments", ())]  # type: ignore[attr-defined]

    def drawn(part) -> str:  # type: ignore[no-untyped-def]
        kind = part.get_content_subtype()
        return f"{kind}({' '.join(map(drawn, part.iter_parts()))})" if part.is_multipart() else kind

    assert drawn(received(render(document(**members)))) == shape


@pytest.mark.parametrize("text", ["Привет, {{first}}! " * 40, "日本語のメール {{first}}\n" * 30])
def test_a_text_that_is_smaller_in_base64_goes_in_base64(text: str) -> None:
    compiled = compile(
        document(text=text, html=f'<p>{text}</p><a href="https://a.example/{{{{first}}}}">я</a></body>')
    )
    message = received(compiled.render(Person("bo@example.org", "", ["Бо\n<b>"]), URLS, DATE, "1@a.example"))
    assert message.get_body(("plain",))["Content-Transfer-Encoding"] == "base64"
    assert content(message, "plain") == lines(text.replace("{{first}}", "Бо\n<b>"))
    html = content(message, "html")
    assert html is not None
    assert html.startswith("<p>" + lines(text.replace("{{first}}", "Бо\n&lt;b&gt;")).split("\n")[0])
    assert f'<a href="{URLS.click}/0">я</a><img src="{URLS.open}"' in html


def test_with_merge_off_braces_are_text() -> None:
    compiled = compile(document(subject="{{a}}", text="{{b}} {{", html="<p>{{{c", merge=False))
    assert compiled.fields == ()
    message = received(compiled.render(Person("bo@example.org"), Urls(), DATE, "1@a.example"))
    assert (message["Subject"], content(message, "plain"), content(message, "html")) == (
        "{{a}}",
        "{{b}} {{",
        "<p>{{{c",
    )


def test_large_attachments_are_not_copied_per_message() -> None:
    compiled = compile(
        document(text="Hi {{a}}", attachments=[Attachment("a.bin", "application/x-a", b"x" * 100_000)])
    )
    one, two = (compiled.render(Person("bo@example.org", "", [v]), Urls(), DATE, "1@a.example") for v in "ab")
    assert received(one).get_body(("plain",)).get_content() == "Hi a\r\n"
    assert max(one.body, key=len) is max(two.body, key=len)
    assert len(max(one.body, key=len)) > 100_000


def test_size_estimate_is_not_under_and_not_far_over() -> None:
    compiled = compile(document(text="Hi {{a}}\n" * 50, html='<a href="https://a.example/">x</a>' * 50))
    size = len(wire(compiled.render(Person("bo@example.org", "", ["Bob"]), URLS, DATE, "1@a.example")))
    assert size <= compiled.size_estimate <= 2 * size


def test_the_html_of_a_web_view_is_the_html_that_is_sent() -> None:
    compiled = compile(
        document(html='<p>{{a}} é</p><a href="https://a.example/?a=1&amp;b={{a}}">x</a></body>')
    )
    person = Person("bo@example.org", "", ["<Bö>\n"])
    for urls in (URLS, Urls(), Urls(open=URLS.open)):
        html = compiled.html(person, urls)
        assert html is not None
        assert content(received(compiled.render(person, urls, DATE, "1@a.example")), "html") == lines(html)
    assert compile(document(text="x")).html(Person("bo@example.org"), URLS) is None


def test_values_must_fit_the_fields() -> None:
    with pytest.raises(ContentError, match="`values` are 0, but the content has 1 merge fields"):
        render(document(text="{{a}}"))


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\0"])
@pytest.mark.parametrize("start", ["\r\n", "\n", "\r", "\0"])
def test_no_smuggling_sequence_leaves_the_renderer(start: str, end: str) -> None:
    evil = f"a{start}.{end}MAIL FROM:<x@example.org>"
    compiled = compile(document(text="{{v}}", attachments=[Attachment("a", "text/plain", evil.encode())]))
    person = Person("bo@example.org", "", [evil])
    if "\0" in evil:
        with pytest.raises(ContentError, match="`v` holds the character U\\+0000"):
            compiled.render(person, Urls(), DATE, "1@a.example")
        with pytest.raises(ContentError, match="`text` holds"):
            compile(document(text=evil))
    else:
        assert b"\n." not in wire(compiled.render(person, Urls(), DATE, "1@a.example"))
        assert b"\n." not in wire(render(document(text=evil, html=evil)))
