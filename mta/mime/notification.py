"""A delivery status notification of our own (RFC 3464): what became of one recipient, for people and for programs.

Seven-bit throughout, whatever is reported (RFC 6533 section 3 spells UTF-8 addresses in ASCII), so that it needs
no extension on its way; only a To address in UTF-8 makes it a message for SMTPUTF8. The same arguments give the same
bytes, so that it can be handed in twice and go once.
"""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Final, Literal

from mta.mime.words import unstructured

Action = Literal["failed", "delayed", "delivered"]
MAX_REPLY: Final = 512  # characters of the server's words
MAX_SUBJECT: Final = 200
LINE: Final = 76
_CRLF: Final = "\r\n"
_PLAIN: Final = re.compile(r"[\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")  # QCHAR of RFC 6533 section 3
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_HOST: Final = re.compile(r"[A-Za-z0-9_:.\-\[\]]{1,255}")
_DEFAULT: Final[dict[Action, str]] = {"failed": "5.0.0", "delayed": "4.0.0", "delivered": "2.0.0"}
_SUBJECT: Final[dict[Action, str]] = {
    "failed": "Not delivered: ",
    "delayed": "Delayed: ",
    "delivered": "Delivered: ",
}


@dataclass(frozen=True, slots=True)
class Original:
    """The message that is reported on; `message_id` with its angle brackets, times in ms since 1970."""

    message_id: str
    sender: str
    subject: str
    arrived: int
    expires: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient: the reply's code (0 = none), status and words, the server that gave it, when."""

    action: Action
    rcpt: str
    at: int  # ms since 1970
    code: int = 0
    status: str = ""
    reply: str = ""
    remote: str = ""


def compose(original: Original, outcome: Outcome, sender: str, to: str, reporting: str, mark: str) -> bytes:
    """Return the whole message, lines ended by CRLF.

    `sender` is its From address, `reporting` the name of this host; `mark` tells it from every other, such as the
    `eid` of what is reported. Send it with the null return path, and ask for no report about it.
    """
    boundary = f"=_{sha256(mark.encode()).hexdigest()[:32]}"
    date = _date(outcome.at)
    subject = f"{_SUBJECT[outcome.action]}{_line(original.subject, MAX_SUBJECT)}"
    head = [
        f"From: Mail Delivery System <{sender}>",
        f"To: <{to}>",
        f"Date: {date}",
        *_field("Subject", subject),
        f"In-Reply-To: {original.message_id}",
        f"References: {original.message_id}",
        "Auto-Submitted: auto-replied",  # RFC 3834 section 5
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;{_CRLF} boundary="{boundary}"',
    ]
    parts = [
        ("text/plain; charset=utf-8", "base64", _base64(_words(original, outcome, reporting))),
        ("message/delivery-status", "7bit", _status(original, outcome, reporting)),
        ("text/rfc822-headers", "7bit", _headers(original)),
    ]
    lines = [*head, ""]
    for kind, encoding, body in parts:
        lines += [
            f"--{boundary}",
            f"Content-Type: {kind}",
            f"Content-Transfer-Encoding: {encoding}",
            "",
            *body,
            "",
        ]
    lines += [f"--{boundary}--", ""]
    return _CRLF.join(lines).encode()


def typed(address: str) -> str:
    """Return an address with its type, in ASCII: `rfc822; ...` or `utf-8; ...` (RFC 3464 2.3.2, RFC 6533 section 3)."""
    if address.isascii():
        return f"rfc822; {address}"
    return "utf-8; " + "".join(one if _PLAIN.fullmatch(one) else f"\\x{{{ord(one):02X}}}" for one in address)


def _words(original: Original, outcome: Outcome, reporting: str) -> str:
    told = {
        "failed": "could not be delivered to the address below, and will not be tried again.",
        "delayed": "could not be delivered yet. It will be tried again"
        + (f" until {_date(original.expires)}." if original.expires else "."),
        "delivered": "was taken by the receiving server.",
    }[outcome.action]
    reply = _line(outcome.reply, MAX_REPLY)
    lines = [
        f"This is the mail system at {reporting}.",
        "",
        f"Your message of {_date(original.arrived)}",
        f"    {_line(original.subject, MAX_SUBJECT)}",
        told,
        "",
        f"    {outcome.rcpt}",
    ]
    if outcome.code or reply:
        server = outcome.remote.split(" ")[0] or "the receiving server"
        lines += ["", f"The answer of {server}:", "", f"    {f'{outcome.code or str()} {reply}'.strip()}"]
    return "\n".join([*lines, ""])


def _status(original: Original, outcome: Outcome, reporting: str) -> list[str]:
    status = outcome.status if _STATUS.fullmatch(outcome.status) else ""
    if status[:1] not in (_DEFAULT[outcome.action][0], ""):
        status = ""  # a reply of another kind says nothing of the end
    lines = [
        f"Reporting-MTA: dns; {reporting}",
        f"Arrival-Date: {_date(original.arrived)}",
        "",
        f"Final-Recipient: {typed(outcome.rcpt)}",
        f"Action: {outcome.action}",
        f"Status: {status or _DEFAULT[outcome.action]}",
    ]
    host = outcome.remote.split(" ")[0]
    if _HOST.fullmatch(host):
        lines.append(f"Remote-MTA: dns; {host}")
    reply = _ascii(_line(outcome.reply, MAX_REPLY))
    if outcome.code:
        lines += _folded(f"Diagnostic-Code: smtp; {outcome.code} {reply}".rstrip())
    elif reply:
        lines += _folded(f"Diagnostic-Code: x-mta; {reply}")
    lines.append(f"Last-Attempt-Date: {_date(outcome.at)}")
    if outcome.action == "delayed" and original.expires:
        lines.append(f"Will-Retry-Until: {_date(original.expires)}")
    return lines


def _headers(original: Original) -> list[str]:
    lines = [f"Message-ID: {original.message_id}", f"Date: {_date(original.arrived)}"]
    if original.sender.isascii():
        lines.append(f"From: <{original.sender}>")
    return [*lines, *_field("Subject", _line(original.subject, MAX_SUBJECT))]


def _field(name: str, value: str) -> list[str]:
    return unstructured(name, value).decode().removesuffix(_CRLF).split(_CRLF)


def _line(text: str, most: int) -> str:
    """A text on one line, without what could end it."""
    return " ".join("".join(one if one.isprintable() else " " for one in text[:most]).split())


def _ascii(text: str) -> str:
    return "".join(one if one.isascii() else "?" for one in text)


def _folded(line: str) -> list[str]:
    """A field cut at blanks, so that no line is longer than it should be where there are blanks."""
    out, rest = [], line
    while len(rest) > LINE and (cut := rest.rfind(" ", 1, LINE)) > 0 and rest[:cut].strip():
        out.append(rest[:cut])
        rest = rest[cut:]
    return [*out, rest]


def _base64(text: str) -> list[str]:
    encoded = base64.b64encode(text.replace("\n", _CRLF).encode()).decode()
    return [encoded[at : at + LINE] for at in range(0, len(encoded), LINE)]


def _date(ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(ms // 1000, UTC))
