"""Answers that a machine gave in a person's stead: out of office, vacation, tickets (RFC 3834). Never a bounce."""

import re
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import Final

from mta.bounce.parts import Headers

MAX_SUBJECT: Final = 500

_ANSWERS = frozenset({"x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from"})
_PRECEDENCE = frozenset({"auto_reply", "auto-reply", "autoreply", "auto_replied"})
# A mail system, or nobody at all.
_SYSTEM = re.compile(
    r"\b(?:mailer[-_.]?daemon|mail[-_ ]?delivery|postmaster|mailerdaemon)\b|^\W*$", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"out of (?:the )?office|auto(?:matic|mated)?[ -]?(?:reply|response|answer)|autorespon|vacation (?:reply|message)"
    r"|on vacation|away from (?:my )?(?:the )?office"
    r"|abwesenheit|automatische antwort|nicht im (?:büro|hause)"
    r"|réponse automatique|absence du bureau|message d'absence"
    r"|respuesta automática|fuera de la oficina|resposta automática|ausência"
    r"|risposta automatica|fuori sede|automatisch antwoord|afwezig"
    r"|autosvar|frånvaro|fravær|automaattinen vastaus|poissa"
    r"|odpowiedź automatyczna|automatyczna odpowiedź|automatická odpověď"
    r"|автоответ|自動(?:応答|返信|回覆)|不在|自动(?:回复|答复)",
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
    except (MessageError, LookupError, UnicodeError, ValueError):
        return value
