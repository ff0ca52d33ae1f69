"""Answers that a machine gave in a person's stead: out of office, vacation, tickets (RFC 3834). Never a bounce."""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Final

from mta.bounce.parts import Headers

MAX_SUBJECT: Final = 500

_ANSWERS = frozenset({"x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from"})
_PRECEDENCE = frozenset({"auto_reply", "auto-reply", "autoreply", "auto_replied"})
_SYSTEM = re.compile(
    r"\b(?:mailer[-_.]?daemon|mail[-_ ]?delivery|postmaster|mailerdaemon)\b|^\W*$", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"out of (?:the )?office|auto(?:matic|mated)?[ -]?(?:reply|response|answer)|autorespon|vacation (?:reply|message)"
    r"|on vacation|away from (?:my )?(?:the )?office"
    r"|abwesenheit|automatische antwort|nicht im (?:b\u00fcro|hause)"
    r"|r\u00e9ponse automatique|absence du bureau|message d'absence"
    r"|respuesta autom\u00e1tica|fuera de la oficina|resposta autom\u00e1tica|aus\u00eancia"
    r"|risposta automatica|fuori sede|automatisch antwoord|afwezig"
    r"|autosvar|fr\u00e5nvaro|frav\u00e6r|automaattinen vastaus|poissa"
    r"|odpowied\u017a automatyczna|automatyczna odpowied\u017a|automatick\u00e1 odpov\u011b\u010f"
    r"|\u0430\u0432\u0442\u043e\u043e\u0442\u0432\u0435\u0442|\u81ea\u52d5(?:\u5fdc\u7b54|\u8fd4\u4fe1|\u56de\u8986)|\u4e0d\u5728|\u81ea\u52a8(?:\u56de\u590d|\u7b54\u590d)",
    re.IGNORECASE,
)


def is_auto_reply(headers: Headers) -> bool:
    """Say whether a message that is no report was sent by a machine in answer to ours.

    False for what a mail system sends in its own name: some mark their bounces as automatic replies.
    """
    found = False
    for name, value in headers:
        word = value.partition(";")[0].strip().lower()
        if name == "x-failed-recipients" or (name in ("from", "sender") and _SYSTEM.search(value)):
            return False
        if (
            (name == "auto-submitted" and word.startswith("auto-replied"))
            or (name in _ANSWERS and word not in ("no", "false"))
            or (name == "precedence" and word in _PRECEDENCE)
            or (name == "subject" and _SUBJECT.search(subject(value)))
        ):
            found = True
    return found


def subject(value: str) -> str:
    """Return a Subject with its encoded words undone as far as they can be (RFC 2047)."""
    value = value[:MAX_SUBJECT]
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value
