"""The few pages people see: plain, without script, readable on a phone and by a screen reader, in their language."""

from html import escape

from mta.web.words import WORDS, Words

_STYLE = """
:root{color-scheme:light dark}
body{font:1.06rem/1.5 system-ui,sans-serif;margin:0;padding:12vh 1.2rem 2rem}
main{max-width:30rem;margin:0 auto}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .8rem}
p{margin:0 0 1rem;overflow-wrap:anywhere}
fieldset{border:0;margin:0 0 1.2rem;padding:0}
label{display:block;padding:.6rem 0}
input{width:1.2rem;height:1.2rem;vertical-align:-.2rem;margin-inline:0 .6rem}
button{font:inherit;font-weight:600;padding:.75rem 1.4rem;border:0;border-radius:.5rem;background:#0a58ca;color:#fff}
button:focus-visible{outline:3px solid #ffb000;outline-offset:2px}
small{opacity:.75}
"""
ENGLISH = WORDS["en"]
ALL = b"scope=all"
"""Stands in the body of a POST by somebody who chose to leave all lists of the sender."""


def page(words: Words, title: str, *paragraphs: str, form: str = "") -> str:
    """Return a page; `title` is text and is escaped, `paragraphs` and `form` are markup."""
    inner = "".join(f"<p>{markup}</p>" for markup in paragraphs if markup)
    return (
        f'<!doctype html><html lang="{words.language}" dir="{words.direction}"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{inner}{form}</main></body></html>"
    )


def not_found(words: Words = ENGLISH) -> str:
    """The page for a link that is forged, broken or too old; it does not say which."""
    return page(words, words["nothing"], escape(words["cut"]))


def too_old(words: Words = ENGLISH) -> str:
    """The page for a genuine link whose message is no longer kept."""
    return page(words, words["gone"], escape(words["old"]))


def ask(sender: str, address: str, words: Words = ENGLISH, *, listed: bool = False) -> str:
    """The page with one button; looking at it changes nothing, since scanners look at every link.

    `listed`: the message came from a list, so there is a choice between it and all of the sender's.
    """
    choice = ""
    if listed:
        choice = (
            '<fieldset><label><input type="radio" name="scope" value="list" checked>'
            f'{escape(words["this"])}</label><label><input type="radio" name="scope" value="all">'
            f"{escape(words['all'])}</label></fieldset>"
        )
    form = (
        f'<form method="post"><input type="hidden" name="via" value="link">{choice}'
        f'<button type="submit">{escape(words["button"])}</button></form>'
    )
    return page(words, words["ask"], _line(sender, address, words), form=form)


def done(sender: str, address: str, words: Words = ENGLISH) -> str:
    """The page after the button."""
    return page(words, words["done"], _line(sender, address, words), escape(words["close"]))


def try_later(words: Words = ENGLISH) -> str:
    """The page when the wish could be neither carried out nor kept."""
    return page(words, words["again"], escape(words["later"]))


def masked(address: str) -> str:
    """Return an address that its owner knows again and a stranger with the link does not learn."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def _line(sender: str, address: str, words: Words) -> str:
    # Names and addresses keep their own direction inside a sentence of the other.
    shown = {"sender": sender, "address": masked(address)}
    parts = {name: f"<bdi>{escape(text)}</bdi>" for name, text in shown.items()}
    return escape(words["line"]).format(**parts)
