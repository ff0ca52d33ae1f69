"""Delivery status notifications: the fields that a machine wrote for a machine (RFC 3464, and 6533 for UTF-8).

Read with a light hand: wrong letter case, comments, missing types and stray empty lines are all common.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_LINES: Final = 5000
MAX_RECIPIENTS: Final = 100
MAX_ADDRESS: Final = 320  # local part 64, @, domain 255
MAX_DIAGNOSTIC: Final = 2000
MAX_NAME: Final = 255

TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})

_FIELD = re.compile(r"([!-9;-~]{1,60})[ \t]*:")
_COMMENT = re.compile(r"\([^()]{0,300}\)")
_TYPED = re.compile(r"[ \t]*([\w./-]{1,40})[ \t]*;", re.ASCII)
_QUOTED = re.compile(r"[45]\.\d\.\d{1,3} - [^'\"]{1,60}?\b([45]\d\d)[ -]{1,3}['\"](.*)", re.DOTALL)
_UTF8_CHARACTER = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_CODE = re.compile(r"(?:^|[\s#(:<\"'])([245][0-9]\d)(?=[\s#.:;,\-]|$)")
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_ACTIONS: Final = {
    "failed": "failed",
    "failure": "failed",
    "fail": "failed",
    "delayed": "delayed",
    "delay": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "expanded",
}


@dataclass(frozen=True, slots=True)
class Status:
    """What is reported about one recipient; what the report leaves out is empty, 0 for the code."""

    recipient: str  # as the sender wrote it, if the report says so
    final: str  # as the reporting server last had it
    action: str  # failed, delayed, delivered, relayed, expanded
    status: str  # x.y.z
    code: int  # SMTP reply code
    diagnostic: str
    remote: str
    reporting: str
    stage: str = ""  # where in the dialogue the refusal came, a value of mta.verdict.Stage, if a text says so


def read(text: str) -> list[Status]:
    """Return what a message/delivery-status part says of each recipient. Never raises."""
    reporting = ""
    found: list[dict[str, str]] = []
    for group in _groups(text):
        reporting = reporting or _named(group.pop("reporting-mta", ""))
        if not group.keys() & {"final-recipient", "original-recipient", "action", "status"}:
            continue
        # A stray empty line leaves the rest of a recipient's fields without their recipient.
        if found and not group.keys() & found[-1].keys():
            found[-1].update(group)
            continue
        found.append(group)
    return [_status(group, reporting) for group in found[:MAX_RECIPIENTS]]


def enhanced_in(text: str) -> str:
    """Return the first enhanced status code (RFC 3463) in a text, or an empty string."""
    found = _ENHANCED.search(text)
    return ".".join(found.groups()) if found else ""


def code_in(text: str) -> int:
    """Return the first SMTP reply code in a text, or 0."""
    found = _CODE.search(text[:MAX_DIAGNOSTIC])
    return int(found[1]) if found else 0


def code_place(text: str) -> int:
    """Return where the first SMTP reply code in a text begins, 0 if there is none."""
    found = _CODE.search(text)
    return found.start(1) if found else 0


def _groups(text: str) -> list[dict[str, str]]:
    groups: list[dict[str, str]] = []
    group: dict[str, str] = {}
    name = ""
    for line in text.split("\n", MAX_LINES)[:MAX_LINES]:
        if not line.strip():
            groups.append(group)
            group, name = {}, ""
        elif line[0] not in " \t" and (field := _FIELD.match(line)):
            name = field[1].lower()
            if name in group and name == "final-recipient":
                groups.append(group)  # somebody forgot the empty line
                group = {}
            if name in group:
                name = ""  # the first one counts
            else:
                group[name] = line[field.end() :].strip()[:MAX_DIAGNOSTIC]
        elif name and len(group[name]) < MAX_DIAGNOSTIC:
            group[name] = f"{group[name]} {line.strip()}"[:MAX_DIAGNOSTIC]
    groups.append(group)
    return [group for group in groups if group][: 2 * MAX_RECIPIENTS]


def _status(group: dict[str, str], reporting: str) -> Status:
    original = _address(group.get("original-recipient", ""))
    final = _address(group.get("final-recipient", ""))
    diagnostic = group.get("diagnostic-code", "")
    if typed := _TYPED.match(diagnostic):
        diagnostic = diagnostic[typed.end() :]
    # IronPort puts a status and words of its own before the reply.
    if quoted := _QUOTED.match(diagnostic.lstrip()):
        diagnostic = f"{quoted[1]} {quoted[2]}"
    diagnostic = diagnostic.strip()
    status = enhanced_in(group.get("status", ""))
    told = enhanced_in(diagnostic)
    # "5.0.0" says no more than "failed"; the server's own words often say why.
    if told and (not status or (status.endswith(".0.0") and told[0] == status[0])):
        status = told
    words = _COMMENT.sub(" ", group.get("action", "")).lower().split()
    action = _ACTIONS.get(words[0].strip(".,;"), "") if words else ""
    return Status(
        recipient=original if "@" in original else final or original,
        final=final,
        action=action or {"5": "failed", "4": "delayed", "2": "delivered"}.get(status[:1], ""),
        status=status,
        code=code_in(diagnostic),
        diagnostic=diagnostic,
        remote=_named(group.get("remote-mta", "")),
        reporting=reporting,
    )


def _address(value: str) -> str:
    """The address of `rfc822; name@host`, of `utf-8; ...` (RFC 6533 section 3), or of a bare one."""
    kind = ""
    if typed := _TYPED.match(value):
        kind, value = typed[1].lower(), value[typed.end() :]
    if '"' not in value:
        value = _COMMENT.sub(" ", value)
    if "<" in value:
        value = value.rpartition("<")[2].partition(">")[0]
    if kind == "utf-8":
        value = _UTF8_CHARACTER.sub(_character, value)
    value = value.strip(" \t'<>")[:MAX_ADDRESS]
    # "anna...@example.org": an archive masked it, and what is left is nobody's address; nor is one with controls.
    return "" if "...@" in value or not value.isprintable() else value


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    character = chr(number) if 0x7F < number <= 0x10FFFF or number == 0x5C else ""
    # Controls and line separators have no place in an address, and would have one in a log.
    return character if character.isprintable() else ""


def _named(value: str) -> str:
    if typed := _TYPED.match(value):
        value = value[typed.end() :]
    return _COMMENT.sub(" ", value).strip()[:MAX_NAME]
