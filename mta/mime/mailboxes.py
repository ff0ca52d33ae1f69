"""Mailboxes as header text: From, To, Cc and Reply-To (RFC 5322 section 3.4), folded between their parts."""

import re
from typing import Final

from mta.address import MAX_NAME, AddressError, Mailbox, parse, parse_mailbox
from mta.mime.characters import header_fault
from mta.mime.document import ContentError
from mta.mime.words import FOLD, encoded_words, fold

MAX_MAILBOXES: Final = 1000
"""Mailboxes of one To, Cc or Reply-To header."""

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*+"|,|[^",]++|"')
_PLAIN = re.compile(r"[A-Za-z0-9 -]+")
_SHORT = 64  # a longer quoted string is written as encoded words, which can be folded anywhere
_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)+")


def parse_list(text: str, field: str) -> list[Mailbox]:
    """Return the mailboxes of a comma separated list; raise ContentError naming `field`.

    A comma ends a mailbox only when an address stands before it, so `Doe, Jo <jo@a.example>` is one.
    """
    found: list[Mailbox] = []
    waiting = ""
    for piece in _PIECES.findall(text):
        bare = waiting.strip(" ")
        if piece != "," or "@" not in bare or ("<" in bare and not bare.endswith(">")):
            waiting += piece
            continue
        found.append(mailbox(bare, field))
        waiting = ""
    if waiting.strip(" "):
        found.append(mailbox(waiting, field))
    if len(found) > MAX_MAILBOXES:
        raise ContentError(field, f"has more than {MAX_MAILBOXES} mailboxes; send several messages")
    return found


def mailbox(text: str, field: str) -> Mailbox:
    """Return the Mailbox that `text` spells; raise ContentError naming `field`."""
    if why := header_fault(text):
        raise ContentError(field, why)
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise ContentError(field, f"is no mailbox: {error}; write it like Jo <jo@example.com>") from error


def mailbox_field(name: str, mailboxes: list[Mailbox]) -> bytes:
    """Return the folded field `name` with these mailboxes, ended by CRLF."""
    pieces: list[str] = []
    last = len(mailboxes) - 1
    for n, one in enumerate(mailboxes):
        room = FOLD - len(name) - 2 if n == 0 else FOLD - 1
        comma = "," if n < last else ""
        address = f"{one.address}{comma}"
        if one.name:
            pieces += phrase(one.name, room)
            pieces.append(f"<{one.address}>{comma}")
        else:
            pieces.append(address)
    lines = fold(f"{name}:", [" " + piece for piece in pieces])
    return ("\r\n".join(lines) + "\r\n").encode()


def phrase(name: str, room: int) -> list[str]:
    """Return a display name as pieces to put one space between: atoms, a quoted string or encoded words."""
    if name.isascii() and name.isprintable() and "=?" not in name:
        if len(name) <= _SHORT and _ATOMS.fullmatch(name):
            return name.split()
        quoted = re.sub(r'(["\\])', r"\\\1", name)
        if len(quoted) <= _SHORT:
            return [f'"{quoted}"']
    return encoded_words(name, room)


def to_field(email: str, name: str) -> bytes:
    """Return the To field of one recipient; raise ContentError naming `email` or `name`."""
    if _ADDRESS.fullmatch(email):
        if not name and len(email) <= _SHORT:
            return f"To: {email}\r\n".encode("ascii")
        if len(name) + len(email) <= _SHORT and _PLAIN.fullmatch(name):
            return f"To: {' '.join(name.split())} <{email}>\r\n".encode("ascii")
    if why := header_fault(email):
        raise ContentError("email", why)
    if why := name_fault(name):
        raise ContentError("name", why)
    try:
        address = parse(email)
    except AddressError as error:
        raise ContentError("email", f"is no address: {error}") from error
    return mailbox_field("To", [Mailbox(" ".join(name.split()), address)])


def name_fault(name: str) -> str | None:
    """Return why `name` cannot be a display name, or None if it can."""
    if len(name) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters; shorten it"
    return header_fault(name)
