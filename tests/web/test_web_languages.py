"""The pages in the reader's language, the choice between one list and all, and both by HTTP."""

import re
import shutil
import string
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mta.tracking.token import Purpose
from mta.web import pages
from mta.web.words import NAMES, TEXTS, WORDS, words

PHONE = (360, 640)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_every_text_with_the_same_places() -> None:
    assert len(TEXTS) >= 10
    for language, texts in TEXTS.items():
        assert len(texts) == len(NAMES), language
        assert all(text.strip() == text and text for text in texts), language
        for text, english in zip(texts, TEXTS["en"], strict=True):
            assert places(text) == places(english), (language, text)
        assert language == "en" or len(set(texts) & set(TEXTS["en"])) == 0, language


@pytest.mark.parametrize(
    ("locale", "accepted", "language"),
    [
        ("", "", "en"),
        ("de-AT", "fr", "de"),
        ("pt_BR", "", "pt"),
        ("DE", "", "de"),
        ("tlh", "fr-CA, en;q=0.5", "fr"),
        ("", "en;q=0.3, ja;q=0.9, de;q=0.5", "ja"),
        ("", "xx, *;q=0.5", "en"),
        ("", "de;q=0, nl;q=0.1", "nl"),
        ("", "de;q=x, nl", "nl"),
        ("", "," * 5000, "en"),
        ("\0é", ";;;q=,,=", "en"),
    ],
)
def test_the_senders_word_counts_before_the_browsers(locale: str, accepted: str, language: str) -> None:
    assert words(locale, accepted).language == language


class _Page(HTMLParser):
    """The tags of a page, all closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.mark.parametrize("language", TEXTS)
def test_each_page_is_well_formed_and_says_its_language(language: str) -> None:
    said = WORDS[language]
    asked = pages.ask("<b>Acme</b>", "bob@example.org", said, listed=True)
    for text in (
        asked,
        pages.done("A", "b@c.d", said),
        pages.not_found(said),
        pages.too_old(said),
        pages.try_later(said),
    ):
        seen = _Page(text).seen
        assert seen[0] == ("html", {"lang": language, "dir": "rtl" if language in ("ar", "he") else "ltr"})
        assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in seen
        assert not {tag for tag, _ in seen} & {"script", "img", "link", "a"}
    tags = [tag for tag, _ in _Page(asked).seen]
    assert (tags.count("button"), tags.count("form"), tags.count("label")) == (1, 1, 2)
    assert "<b>Acme" not in asked
    assert "bob@" not in asked


async def test_the_page_is_in_the_language_of_the_recipients_row(world: Any) -> None:
    path = f"/u/{world.token(Purpose.UNSUBSCRIBE)}"
    async with world.get(path, headers={"Accept-Language": "fr-FR,fr;q=0.9"}) as answer:
        assert 'lang="fr"' in await answer.text()
    world.recipients[world.bob.id] = replace(world.bob, columns={"locale": "ar-EG"})
    async with world.get(path, headers={"Accept-Language": "fr"}) as answer:
        text = await answer.text()
        assert 'lang="ar" dir="rtl"' in text
        assert WORDS["ar"]["button"] in text
    async with world.post(path, data="via=link") as answer:
        assert WORDS["ar"]["done"] in await answer.text()
    async with world.get("/u/" + "a" * 45, headers={"Accept-Language": "de"}) as answer:
        assert (answer.status, WORDS["de"]["cut"] in await answer.text()) == (404, True)
    async with world.get("/nowhere", headers={"Accept-Language": "ja"}) as answer:
        assert (answer.status, 'lang="ja"' in await answer.text()) == (404, True)


@pytest.mark.parametrize(
    ("body", "list_"),
    [
        ("via=link&scope=list", "customers"),
        ("via=link", "customers"),
        ("via=link&scope=all", ""),
        ("List-Unsubscribe=One-Click", "customers"),
        ("List-Unsubscribe=One-Click&scope=all", "customers"),  # one click leaves what the header promised
    ],
)
async def test_the_choice_is_between_this_list_and_all_of_the_tenants(
    world: Any, body: str, list_: str
) -> None:
    async with world.post(
        f"/u/{world.token(Purpose.UNSUBSCRIBE)}", data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Cookie": "a=b"},
    ) as answer:  # fmt: skip
        assert answer.status == 200
        assert not {"Set-Cookie", "Location", "Refresh"} & set(answer.headers)
    assert world.redis.suppressed == [("acme", list_, "bob@example.org", "unsubscribed", "recipient")]


async def test_mail_of_no_list_offers_no_choice(world: Any) -> None:
    path = f"/u/{world.token(Purpose.UNSUBSCRIBE)}"
    async with world.get(path) as answer:
        assert (await answer.text()).count('type="radio"') == 2
    world.recipients[world.bob.id] = replace(world.bob, list_="", campaign="")
    async with world.get(path) as answer:
        assert 'type="radio"' not in await answer.text()


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(chromium() is None, reason="no browser: apt-get install chromium")
@pytest.mark.parametrize("language", ["en", "ar", "de"])
def test_a_browser_shows_the_page_within_a_phones_width(language: str, tmp_path: Path) -> None:
    page = pages.ask(
        "Acme Gartenbedarf " * 3 + "(news@acme.example)", "bob@example.org", WORDS[language], listed=True
    )
    # A browser has no name for what a page may not: a style of the test's own says whether anything sticks out.
    probe = (
        "<script>onload=()=>{const w=document.documentElement;const b=document.querySelector('button')"
        ".getBoundingClientRect();document.title=[w.scrollWidth<=innerWidth,b.height>=40,b.left>=0,"
        "b.right<=innerWidth,getComputedStyle(w).direction].join()}</script></body>"
    )
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", probe))
    browser = chromium()
    assert browser
    ran = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            f"--user-data-dir={tmp_path}/profile", f"--window-size={PHONE[0]},{PHONE[1]}", "--dump-dom", file.as_uri(),
        ],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", ran.stdout.decode())
    assert title, ran.stderr[-2000:]
    assert title[1] == f"true,true,true,true,{WORDS[language].direction}"
