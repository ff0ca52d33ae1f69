"""Header fields by which receivers offer their users a way out of a list, and tell lists apart.

List-Unsubscribe (RFC 2369), one-click POST (RFC 8058), List-Id (RFC 2919), and Feedback-ID, by which Gmail groups
its complaint figures. What is the same for a whole list is made once and kept.
"""

import re
from email.header import Header
from functools import lru_cache
from typing import Final

MAX_URI: Final = 900  # octets: with the field's name it stays inside the 998 of a line (RFC 5322 2.1.1)
MAX_LIST_ID: Final = 255  # RFC 2919 section 3
MAX_LIST_NAME: Final = 200
MAX_FEEDBACK_ID: Final = 900
ONE_CLICK: Final = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"

_NOT_URI = re.compile(r"[^!-;=?-~]")  # blanks, controls, angle brackets, all that is not ASCII
_NOT_PLAIN = re.compile(r"[^ !#-'*+\-./0-9=?A-Z^-~]")


class HeaderFault(ValueError):
    """A part can't stand in a header field; the message names the part."""


def headers(url: str, mailto: str, list_id: str, list_name: str = "", feedback_id: str = "") -> list[bytes]:
    """Return List-Unsubscribe, List-Unsubscribe-Post, List-Id and Feedback-ID, each folded and ending in CRLF.

    `url` is the one-click address, `mailto` the bare mail address that does the same; either may be empty. The
    Post field comes only with an https `url`, as RFC 8058 section 3.1 demands. `list_id` is in the form of a host
    name, empty for none. Raises HeaderFault when a part holds what could break out of its field.
    """
    if _NOT_URI.search(url) or _NOT_URI.search(mailto):
        bad = "url" if _NOT_URI.search(url) else "mailto"
        raise HeaderFault(f"unsubscribe {bad} must be ASCII without blanks, controls and angle brackets")
    if len(url) > MAX_URI or len(mailto) > MAX_URI:
        raise HeaderFault(f"unsubscribe url and mailto have at most {MAX_URI} characters each")
    out: list[bytes] = []
    if url and mailto:
        text = f"List-Unsubscribe: <{url}>,\r\n <mailto:{mailto}>\r\n"
        out.append(text.encode("ascii"))
    elif url or mailto:
        out.append(f"List-Unsubscribe: <{url or 'mailto:' + mailto}>\r\n".encode("ascii"))
    if url.startswith("https://"):
        out.append(ONE_CLICK)
    out += _list_fields(list_id, list_name, feedback_id)
    return out


@lru_cache(maxsize=1024)
def _list_fields(list_id: str, list_name: str, feedback_id: str) -> tuple[bytes, ...]:
    out: list[bytes] = []
    if list_id:
        if len(list_id) > MAX_LIST_ID or _NOT_URI.search(list_id):
            raise HeaderFault(
                f"list_id must be at most {MAX_LIST_ID} ASCII characters without blanks and angle brackets"
            )
        out.append(b"List-Id: %b<%b>\r\n" % (_phrase(list_name), list_id.encode("ascii")))
    if feedback_id:
        if len(feedback_id) > MAX_FEEDBACK_ID or _NOT_URI.search(feedback_id):
            raise HeaderFault(
                f"feedback_id must be at most {MAX_FEEDBACK_ID} ASCII characters without blanks and angle brackets"
            )
        out.append(b"Feedback-ID: %b\r\n" % feedback_id.encode("ascii"))
    return tuple(out)


def _phrase(name: str) -> bytes:
    """The list's name in front of its id: as it is, quoted, or as encoded words (RFC 2047)."""
    if not name:
        return b""
    if len(name) > MAX_LIST_NAME:
        raise HeaderFault(f"list_name has at most {MAX_LIST_NAME} characters")
    if any(not character.isprintable() for character in name):
        raise HeaderFault("list_name must not hold control characters or line separators")
    if not name.isascii():
        text = Header(name, "utf-8", maxlinelen=75, header_name="List-Id").encode(linesep="\r\n")
    elif _NOT_PLAIN.search(name) or "=?" in name:
        text = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        text = name
    return text.encode("ascii") + b"\r\n "
