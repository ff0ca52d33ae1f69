"""The few pages people see: plain, without script, readable on a phone and by a screen reader."""

from html import escape

_STYLE = """
:root{color-scheme:light dark}
body{font:1.06rem/1.5 system-ui,sans-serif;margin:0;padding:12vh 1.2rem 2rem}
main{max-width:30rem;margin:0 auto}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .8rem}
p{margin:0 0 1rem;overflow-wrap:anywhere}
button{font:inherit;font-weight:600;padding:.75rem 1.4rem;border:0;border-radius:.5rem;background:#0a58ca;color:#fff}
button:focus-visible{outline:3px solid #ffb000;outline-offset:2px}
small{opacity:.75}
"""

_GONE = (
    "This link is not valid. It may have been cut when it was copied: try the whole link from the message."
)


def page(title: str, *paragraphs: str, form: str = "") -> str:
    """Return a page; `title` and `paragraphs` are text and are escaped, `form` is markup."""
    inner = "".join(f"<p>{escape(text)}</p>" for text in paragraphs if text)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{inner}{form}</main></body></html>"
    )


def not_found() -> str:
    """The page for a link that is forged, broken or too old; it does not say which."""
    return page("Nothing here", _GONE)


def too_old() -> str:
    """The page for a genuine link whose message is no longer kept."""
    return page(
        "This message is no longer kept",
        "The link is genuine, but the message it belongs to is too old. "
        "To unsubscribe, use the link in a newer message or reply to the sender.",
    )


def ask(sender: str, address: str) -> str:
    """The page with one button; looking at it changes nothing, since scanners look at every link."""
    form = (
        '<form method="post"><input type="hidden" name="via" value="link">'
        '<button type="submit">Unsubscribe</button></form>'
    )
    return page("Unsubscribe?", _line(sender, address), form=form)


def done(sender: str, address: str) -> str:
    """The page after the button."""
    return page("You are unsubscribed", _line(sender, address), "You can close this page.")


def try_later() -> str:
    """The page when the wish could be neither carried out nor kept."""
    return page("Please try again", "This could not be done just now. Try again in a few minutes.")


def masked(address: str) -> str:
    """Return an address that its owner knows again and a stranger with the link does not learn."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def _line(sender: str, address: str) -> str:
    return f"Mail from {sender} to {masked(address)}."
