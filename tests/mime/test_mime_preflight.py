"""The look before sending: each fault is found by its code, and a good mailing has none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.mime import alignment, preflight, targets
from mta.mime.alignment import Domains
from mta.mime.document import Document
from mta.mime.finding import CLIPPED, LARGE, LINE, SENTENCES, Finding, finding, shown
from mta.mime.merge import Field
from mta.mime.outline import Anchor, outline

WORDS = "Our spring offers are here: boots, rakes and seeds at half the price, until Sunday."
GOOD_HTML = (
    f'<p>{WORDS}</p><a href="https://acme.example/s">See them</a><img src="https://acme.example/a.png" alt="Boots">'
    '<a href="{{unsubscribe_url}}">Unsubscribe</a>'
)
GOOD = Document(
    "Acme <news@acme.example>", "Spring is here", f"{WORDS}\nUnsubscribe: {{{{unsubscribe_url}}}}", GOOD_HTML
)


def written(**members: object) -> Document:
    fields = {name: getattr(GOOD, name) for name in ("sender", "subject", "text", "html")}
    return Document(**(fields | members))  # type: ignore[arg-type]


def codes(found: list[Finding]) -> list[str]:
    return [one.code for one in found]


def test_a_good_mailing_has_no_fault() -> None:
    assert preflight.document(GOOD, bulk=True) == []
    assert preflight.page(GOOD_HTML.replace("{{unsubscribe_url}}", "https://t.acme.example/u/x"), []) == []
    assert preflight.message(b"Subject: x\r\n\r\nx\r\n", 1000) == []
    assert (
        alignment.check(Domains("acme.example", ["acme.example"], "b.acme.example", "t.acme.example")) == []
    )


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"subject": "  "}, ["subject-empty"]),
        ({"subject": "x" * 101}, ["subject-long"]),
        ({"subject": "RE: your order"}, ["subject-reply"]),
        ({"subject": "Reading: tips"}, []),
        ({"sender": "news@acme.example"}, ["from-name"]),
        ({"text": None}, ["text-missing"]),
        ({"text": "\n"}, ["text-missing", "unsubscribe-one-part"]),
        ({"html": "<p>x</p>"}, ["unsubscribe-one-part"]),
        ({"html": "<p>x</p>", "text": "x"}, ["unsubscribe-missing"]),
        ({"html": None, "text": "x"}, ["unsubscribe-missing"]),
        ({"html": None}, []),
        ({"text": "Hi *|FNAME|*, {{unsubscribe_url}}"}, ["merge-foreign"]),
        ({"subject": "Hi %%first name%%"}, ["merge-foreign"]),
        ({"subject": "100%% and 50%%"}, []),
        ({"html": GOOD_HTML + "<%= first %> ${name} [[name]] {% if x %}"}, ["merge-foreign"] * 4),
    ],
)
def test_a_document_is_judged(members: dict[str, object], found: list[str]) -> None:
    assert codes(preflight.document(written(**members), bulk=True)) == found


def test_mail_that_somebody_asked_for_needs_no_unsubscribe_link_and_may_be_an_answer() -> None:
    answer = written(html=None, text="Here it is", subject="Re: your question")
    assert preflight.document(answer, bulk=False) == []


@pytest.mark.parametrize(
    ("href", "words", "code"),
    [
        ("https://acme.example/", "x", None),
        ("HTTPS://Acme.example:8443/a?b=c#d", "x", None),
        ("https://xn--bcher-kva.example/größe", "x", None),
        (" https://acme.example/ ", "x", None),
        ("mailto:jo@acme.example", "x", None),
        ("tel:+441234", "x", None),
        ("#top", "x", None),
        ("", "x", "link-empty"),
        ("  ", "x", "link-empty"),
        ("www.acme.example", "x", "link-relative"),
        ("/spring", "x", "link-relative"),
        ("//acme.example/", "x", "link-relative"),
        ("acme.example:8080/x", "x", "link-relative"),
        ("javascript:alert(1)", "x", "link-scheme"),
        ("htps://acme.example/", "x", "link-scheme"),
        ("https:/acme.example/", "x", "link-broken"),
        ("https://", "x", "link-broken"),
        ("https:///x", "x", "link-broken"),
        ("https://https://acme.example/", "x", "link-broken"),
        ("https://acme.example/a b", "x", "link-broken"),
        ("https://acme..example/", "x", "link-broken"),
        ("https://acme.example:80x/", "x", "link-broken"),
        ("https://[::1/", "x", "link-broken"),
        ("https://localhost/", "x", "link-private"),
        ("https://10.1.2.3/", "x", "link-private"),
        ("https://[::1]/", "x", "link-private"),
        ("https://shop.internal/", "x", "link-private"),
        ("https://bit.ly/3x", "x", "link-shortener"),
        ("https://evil.example/", "https://www.bank.example/login", "link-words"),
        ("https://www.acme.example/x", "www.acme.example", None),
        ("https://evil.example/", "See www.bank.example for more", None),
        ("http://acme.example/", "x", "link-insecure"),
        ("https://acme.example/", " ", "link-wordless"),
    ],
)
def test_a_link_is_judged(href: str, words: str, code: str | None) -> None:
    found = targets.check(Anchor(href, words))
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("html", "found"),
    [
        (f'<p>{WORDS}</p><img src="https://a.example/x.png">', ["alt-missing"]),
        (f'<p>{WORDS}</p><img src="https://a.example/x.png" alt>', []),
        (f'<p>{WORDS}</p><img alt="x" src="img/x.png">', ["picture-relative"]),
        (f'<p>{WORDS}</p><img alt="x" src="data:image/png;base64,AA==">', ["picture-data"]),
        (f'<p>{WORDS}</p><img alt="x" src="cid:logo">', []),
        (f'<p>{WORDS}</p><img alt="x" src="cid:other">', ["picture-cid"]),
        ('<img alt="all our offers" src="https://a.example/x.png">', ["words-few"]),
        (f'<title>{WORDS}</title><style>{WORDS}</style><img alt="" src="https://a.example/x.png">', ["words-few"]),
        ('<a href="https://a.example/"><img alt="x" src="https://a.example/x.png"></a>' + WORDS, []),
        ("<form><script>x</script></form>", ["element-stripped", "element-stripped"]),
        ('<LINK REL="stylesheet" HREF="https://a.example/x.css">', ["style-external"]),
        ('<!--[if mso]><a href="x"><img src="y"><![endif]-->', []),
        ('<a href="x" href="https://a.example/">x</a>', ["link-relative"]),
    ],
)  # fmt: skip
def test_a_page_is_judged(html: str, found: list[str]) -> None:
    assert codes(preflight.page(html, ["logo"])) == found


def test_a_finished_message_is_measured() -> None:
    assert preflight.message(b"x\r\n", CLIPPED) == []
    assert codes(preflight.message(b"x\r\n", CLIPPED + 1)) == ["html-clipped"]
    assert codes(preflight.message(b"x\r\n" * (LARGE // 3 + 1))) == ["message-large"]
    assert preflight.message(b"x" * LINE + b"\r\n") == []
    assert codes(preflight.message(b"x" * (LINE + 1) + b"\r\n")) == ["line-long"]


@pytest.mark.parametrize(
    ("domains", "found"),
    [
        (Domains("acme.example"), ["dkim-missing"]),
        (Domains("acme.example", ["esp.example"]), ["dkim-unaligned"]),
        (Domains("acme.example", ["esp.example", "mail.acme.example"]), []),
        (Domains("news.acme.example", ["acme.example"], "b.acme.example"), []),
        (Domains("acme.co.uk", ["other.co.uk"]), ["dkim-unaligned"]),
        (Domains("acme.example", ["acme.example"], "b.esp.example"), ["return-path-unaligned"]),
        (Domains("acme.example", ["acme.example"], "", "t.esp.example"), ["tracking-unaligned"]),
        (Domains("gmail.com", ["gmail.com"]), ["from-mailbox-provider"]),
    ],
)
def test_domains_are_judged(domains: Domains, found: list[str]) -> None:
    assert codes(alignment.check(domains)) == found


def test_merge_fields_without_a_column_are_named_and_a_near_one_is_suggested() -> None:
    wanted = [Field("frist", None), Field("unsubscribe", None), Field("city", "town"), Field("email2", None)]
    found = preflight.fields(wanted, ["email", "first", "email2"])
    assert codes(found) == ["field-unknown", "field-unknown"]
    assert "{{first}}" in found[0].cure
    assert "{{unsubscribe_url}}" in found[1].cure
    assert preflight.empty_fields(
        {"a": "", "b": "x"}, [Field("a", None), Field("b", None), Field("c", "d")]
    ) == ["a"]


def test_stand_ins_are_addresses_where_a_link_is_wanted() -> None:
    page = '<a href="{{shop}}">{{first}}</a><img src={{{pic}}}>'
    wanted = [Field("shop", None), Field("first", "you"), Field("pic", None), Field("last", None)]
    made = preflight.stand_ins(written(html=page), wanted)
    assert made == {
        "shop": "https://www.example/",
        "first": "you",
        "pic": "https://www.example/",
        "last": "last",
    }


def test_repeats_are_told_once_and_many_of_a_kind_in_short() -> None:
    many = [finding("alt-missing", "html", target=shown(str(n))) for n in range(20)]
    told = preflight.gathered([*many, *many, finding("subject-empty", "subject")])
    assert codes(told) == ["subject-empty"] + ["alt-missing"] * 5
    assert told[-1].what.endswith("And 15 more like it.")


def test_every_sentence_is_one_and_has_its_cure() -> None:
    for code, (_, what, cure) in SENTENCES.items():
        assert what.endswith("."), code
        assert cure.endswith((".", "{meant}")), code
        assert what[0] in "{" or what[0].isupper(), code


pieces = st.lists(
    st.sampled_from(
        ["<a", " href=", '"', "'", ">", "<", "https://", "img", " src=", "<!--", "-->", "&#", "x", "</a>"]
    )
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), pieces.map("".join)))
def test_any_text_is_looked_at(text: str) -> None:
    seen = outline(text)
    assert preflight.page(text, []) is not None
    assert len(seen.words) <= len(text)
    assert shown(text).isprintable()
