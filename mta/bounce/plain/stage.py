"""Where in the SMTP dialogue a quoted reply came: it tells whom the reply is about.

A server that refuses MAIL speaks of the sender, whatever its words; one that refuses the content had accepted the
recipient before. The values are those of `mta.verdict.Stage`.
"""

import re
from collections.abc import Sequence
from typing import Final

MAX_SEARCHED: Final = 8000  # characters

_VERB: Final = (
    r"(end of[ _-]data|sending data block|message body|(?:the )?(?:message|content)"
    r"|initial connection|rcpt|mail[ _]?from|mail\b|data|body|eh?lo|helo|starttls|auth\b|quit)"
)
_SAYS = re.compile(
    r"(?:in reply to|in response to|response to|error (?:from remote \S+ \S+ )?after|server after"
    r"|did not like (?:our )?|(?:failed|rejected|error) (?:on|at|after|in|during)|failed after (?:i"
    r"|we) sent|smtp ?: ?|step ?: ?|smtp command\W{1,30}|last command(?: was)?|command ?:"
    r"|received from \S+ after|status after|on the|generated)"
    rf"[\s:'\"(]{{0,3}}(?:the |your |a |our |pipelined |final |i sent ){{0,3}}{_VERB}"
    r"|\[(body|rcpt_to|mail_from|data|connect|helo)\]"
    r"|(rcpt) to generated"
    r"|(does not like recipient)|((?:but )?sender was rejected)|(helo|ehlo|my) name was rejected"
    r"|(failed after i sent the message)",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"\s*(?:sent )?(?:>>>|=>|<<<(?=\s*(?:rcpt|mail|data|eh?lo|helo)))\s*(rcpt|mail|data|eh?lo|helo"
    r"|starttls|quit|\.)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(r"\s*(?:received )?(?:<<<|<=|>>>)\s*[45]\d\d", re.IGNORECASE)
_NO_RCPT = re.compile(r"need rcpt|no valid recipients|no recipients|valid rcpt", re.IGNORECASE)
_STAGES: Final = {
    "end": "dot", "sen": "dot", "mes": "dot", "the": "dot", "con": "dot", "bod": "dot", "fai": "dot", ".": "dot",
    "ini": "connect", "rcp": "rcpt", "doe": "rcpt", "mai": "mail", "but": "mail", "dat": "data", "ehl": "ehlo",
    "hel": "ehlo", "my": "ehlo", "sta": "starttls",
}  # fmt: skip


def stage(lines: Sequence[str]) -> str:
    """Return the stage of the first refusal that the lines tell of, or an empty string."""
    command = ""
    for number, line in enumerate(lines):
        if found := _COMMAND.match(line):
            command = found[1]
        elif command and _REFUSAL.match(line):
            # Commands go out together; the refused recipient's reply then stands below DATA.
            if command.lower() in ("data", ".") and any(_NO_RCPT.search(more) for more in lines[number:]):
                return "rcpt"
            return _STAGES.get(command[:3].lower(), "")
    if said := _SAYS.search(" ".join(" ".join(lines)[:MAX_SEARCHED].split())):
        word = next(group for group in said.groups() if group)
        return _STAGES.get(word[:3].lower(), "mail" if "sender" in word.lower() else "")
    return ""
